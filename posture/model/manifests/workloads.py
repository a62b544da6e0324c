"""The application's pods: a service account and a Service each, a Deployment for each version.

Consul's name of a service is its Service's, and the identity that a pod is given is its service account's: the two
must be the same (consul-k8s, `connect-inject`). A pod gets nothing that it doesn't need.
"""

from __future__ import annotations

import re
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from posture.model.application import Application
    from posture.model.container import Container
    from posture.model.manifests.placement import Manifest, Placement

__all__ = ["Workload", "twin_of", "workloads"]

_CLIENT_PORT = 8080
"""Where `fortio server` listens; a Service has to have a port."""
_INJECT = "consul.hashicorp.com/connect-inject"
_REDIRECT = "consul.hashicorp.com/transparent-proxy"
_WORKERS = "consul.hashicorp.com/consul-envoy-proxy-concurrency"
_USER = 1000
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
"""What the API server takes for the name of a volume (RFC 1123)."""


def twin_of(client: str) -> str:
    """The name of a client's twin without a sidecar: a caller from outside of the mesh."""
    return f"{client}-outside"


class Workload(NamedTuple):
    """A member of the mesh, or a caller from outside of it: its objects, in the order in which they rely on each other.

    Args:
        name: The service or client, or a client's twin outside.
        service_account: Its identity.
        service: Where it is reached, and what makes Consul register it.
        deployments: One for each version.
    """

    name: str
    service_account: Manifest
    service: Manifest
    deployments: tuple[Manifest, ...]


def workloads(
    application: Application, placement: Placement, images: Mapping[str, str], envoy_workers: int
) -> Iterator[Workload]:
    """The application's workloads; ``images`` go over its own, by name, or by name and version.

    What intentions and limits rely on is said by each pod, whatever the chart that is there has for a default: all that
    comes and goes is led through its sidecar, and that has so many workers.

    Raises:
        ValueError: A member without a container.
    """
    for name, service in application.services.items():
        container = _container(name, service.container)
        pods = [
            _Pod(
                name,
                version,
                container,
                _image(container, name, version, images),
                service.port,
                service.protocol,
                envoy_workers,
            )
            for version in service.versions
        ]
        yield _workload(placement, name, service.port, service.protocol, pods)
    for name, client in application.clients.items():
        container = _container(name, client.container)
        image = images.get(name, container.image)
        for each, workers in ((name, envoy_workers), (twin_of(name), 0)):
            pod = _Pod(each, None, container, image, _CLIENT_PORT, "http", workers)
            yield _workload(placement, each, _CLIENT_PORT, "http", [pod])


class _Pod(NamedTuple):
    """What differs from one Deployment to the next; a client's has no version, and no probes.

    ``workers`` are those of its sidecar, which one from outside of the mesh does not have.
    """

    service: str
    version: str | None
    container: Container
    image: str
    port: int
    protocol: str
    workers: int

    @property
    def labels(self) -> dict[str, str]:
        return {"app": self.service, **({"version": self.version} if self.version else {})}

    @property
    def annotations(self) -> dict[str, str]:
        if not self.workers:
            return {_INJECT: "false"}
        return {_INJECT: "true", _REDIRECT: "true", _WORKERS: str(self.workers)}


def _container(name: str, container: Container | None) -> Container:
    if container is None:
        raise ValueError(f"{name} has no container")
    return container


def _image(container: Container, name: str, version: str, images: Mapping[str, str]) -> str:
    chosen = images.get(f"{name}-{version}") or images.get(name) or container.image
    return chosen.replace("{version}", version)


def _workload(placement: Placement, name: str, port: int, protocol: str, pods: Iterable[_Pod]) -> Workload:
    account = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": placement.metadata(name),
        "automountServiceAccountToken": False,
    }
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": placement.metadata(name),
        "spec": {
            "selector": {"app": name},
            "ports": [{"name": protocol, "port": port, "targetPort": port, "protocol": "TCP"}],
        },
    }
    return Workload(name, account, service, tuple(_deployment(placement, pod) for pod in pods))


def _deployment(placement: Placement, pod: _Pod) -> Manifest:
    metadata = placement.metadata(f"{pod.service}-{pod.version}" if pod.version else pod.service)
    volumes = _volumes(pod.container.writable)
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {**metadata, "labels": {**placement.labels, **pod.labels}},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": pod.labels},
            "template": {
                "metadata": {
                    "labels": {**placement.labels, **pod.labels},
                    "annotations": pod.annotations,
                },
                "spec": {
                    "serviceAccountName": pod.service,
                    # By the mount of this token consul-k8s finds the one that its own containers log in with.
                    "automountServiceAccountToken": bool(pod.workers),
                    "enableServiceLinks": False,
                    "securityContext": {
                        "runAsNonRoot": True,
                        "runAsUser": _USER,
                        "runAsGroup": _USER,
                        "fsGroup": _USER,
                        "seccompProfile": {"type": "RuntimeDefault"},
                    },
                    "containers": [_pod_container(pod, volumes)],
                    **_given("volumes", [{"name": name, "emptyDir": {}} for name in volumes.values()]),
                },
            },
        },
    }


def _pod_container(pod: _Pod, volumes: Mapping[str, str]) -> Manifest:
    own = pod.container
    check = {"httpGet": {"path": "/health", "port": pod.port}}
    probe = {**(check if pod.protocol == "http" else {"tcpSocket": {"port": pod.port}}), "periodSeconds": 5}
    return {
        "name": pod.service,
        "image": pod.image,
        **_given("args", list(own.arguments)),
        "ports": [{"containerPort": pod.port, "protocol": "TCP"}],
        **_given("env", [{"name": key, "value": value} for key, value in own.environment.items()]),
        "resources": {
            "requests": {"cpu": "50m", "memory": "128Mi"},
            "limits": {"cpu": "500m", "memory": "512Mi"},
        },
        **({"readinessProbe": probe, "livenessProbe": {**probe, "initialDelaySeconds": 30}} if pod.version else {}),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        **_given("volumeMounts", [{"name": name, "mountPath": folder} for folder, name in volumes.items()]),
    }


def _volumes(folders: Iterable[str]) -> dict[str, str]:
    """The volume of each folder, by its path where that makes a label which no other folder has, else by number."""
    by_path = {folder: folder.strip("/").replace("/", "-").lower() for folder in folders}
    names = list(by_path.values())
    good = {name for name in names if _LABEL.fullmatch(name) and names.count(name) == 1}
    others = (name for number in count(1) if (name := f"writable-{number}") not in good)
    return {folder: name if name in good else next(others) for folder, name in by_path.items()}


def _given(key: str, items: list[Any]) -> Manifest:
    """A list under its key, or nothing: the API server keeps no empty ones."""
    return {key: items} if items else {}
