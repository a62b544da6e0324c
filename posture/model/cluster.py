"""What a stack with the Kubernetes target is set to: which cluster, which Consul, which certificate, which images."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

from pydantic import Field, StringConstraints

from posture.errors import InputError
from posture.model.application import HOSTNAME, NAME, Name
from posture.model.chart import chart_line
from posture.model.container import Image
from posture.model.document import nearest
from posture.model.manifests.placement import Placement
from posture.model.manifests.workloads import twin_of
from posture.model.shape import Shape

if TYPE_CHECKING:
    from pathlib import Path

    from posture.model.application import Application

__all__ = ["ClusterSettings", "SecretName"]

_LABEL = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
"""What every API server takes for the name of a Service (RFC 1035)."""


class SecretName(NamedTuple):
    """Where a Secret is."""

    namespace: str
    name: str


class ClusterSettings(Shape):
    """The keys of a stack's configuration that are about its cluster; see `Pulumi.yaml` for what each means."""

    kube_context: str = ""
    kubeconfig: str = ""
    namespace: Annotated[str, StringConstraints(pattern=rf"{NAME}|^$")] = ""
    consul_namespace: Name = "consul"
    consul_chart: str = "official"
    consul_chart_version: str = "2.0.3"
    consul_size: Literal["dev", "prod"] = "dev"
    consul_cni: Annotated[bool, Field(strict=False)] = False
    consul_values: Annotated[dict[str, Any], Field(default_factory=dict)]
    gateway_hostname: Annotated[str, StringConstraints(pattern=rf"{HOSTNAME}|^$")] = ""
    gateway_secret: Annotated[str, StringConstraints(pattern=r"^([a-z0-9.-]+/)?[a-z0-9.-]+$|^$")] = ""
    gateway_certificate: str = ""
    gateway_key: Annotated[str, Field(repr=False)] = ""
    images: Annotated[dict[str, Image], Field(default_factory=dict)]
    probe_image: Image | Literal[""] = "docker.io/curlimages/curl:8.17.0"
    cluster_checks: Annotated[bool, Field(strict=False)] = True

    @property
    def consul_is_ours(self) -> bool:
        """Whether the stack installs Consul, or finds it there."""
        return self.consul_chart != "existing"

    def check_cluster(self, project: Path, application: Application) -> None:
        """Check what concerns more than one key.

        Raises:
            InputError: What is missing, or goes against what.
        """
        if not self.kube_context:
            raise InputError("'kubeContext' is missing; name the cluster's context: pulumi config set kubeContext NAME")
        chart_line(self.consul_chart_version)
        if self.consul_chart not in {"official", "existing"} and not (project / self.consul_chart).exists():
            raise InputError(f"no chart at '{self.consul_chart}'; write 'official', 'existing' or a path to one")
        if bool(self.gateway_secret) == bool(self.gateway_certificate):
            raise InputError("the gateway needs one certificate; set either 'gatewaySecret' or 'gatewayCertificate'")
        if bool(self.gateway_certificate) != bool(self.gateway_key):
            raise InputError("'gatewayCertificate' and 'gatewayKey' belong together; set both")
        members = {*application.services, *application.clients}
        names = {
            f"{name}-{version}" for name in application.services for version in application.services[name].versions
        }
        for name in self.images:
            if name not in names | members:
                raise InputError(f"'images' names nobody called '{name}'; {nearest(name, names | members)}")
        _check_names(application, names)
        containers = {name: each.container for name, each in application.services.items()}
        containers |= {name: each.container for name, each in application.clients.items()}
        for name, container in containers.items():
            if container is None:
                raise InputError(f"'{name}' has no container to run in a cluster; add 'container' to it in apps/")

    def placement(self, stack: str, application: Application) -> Placement:
        """Where the stack's objects go."""
        certificate = self.certificate(application)
        return Placement(
            stack=stack,
            application=application.name,
            namespace=self.namespace or application.name,
            consul_namespace=self.consul_namespace,
            gateway_api=chart_line(self.consul_chart_version).gateway_api,
            certificate_namespace=certificate.namespace,
            certificate_name=certificate.name,
        )

    def certificate(self, application: Application) -> SecretName:
        """The Secret with the gateway's certificate: the one that is named, or the one that we make."""
        namespace, _, name = self.gateway_secret.rpartition("/")
        own = self.namespace or application.name
        return SecretName(namespace or own, name or f"{application.gateway.name}-certificate")


def _check_names(application: Application, instances: set[str]) -> None:
    """Refuse names that an API server would, or that two objects of one kind would have."""
    for name in sorted(application.sources):
        if name == "default":
            raise InputError(f"'{name}' is a service account that each namespace has already; rename it")
        if not _LABEL.fullmatch(name):
            raise InputError(f"'{name}' can't be a Service's name in a cluster; rename it: let it begin with a letter")
    for client in application.clients:
        twin = twin_of(client)
        if not _LABEL.fullmatch(twin):
            raise InputError(
                f"client '{client}' has a twin in a cluster, and '{twin}' is too long for a name; shorten the client's"
            )
        if twin in application.sources | instances:
            raise InputError(f"client '{client}' has a twin in a cluster, and '{twin}' is there already; rename either")
