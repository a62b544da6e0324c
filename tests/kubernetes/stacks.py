"""Stacks of the project's own program with the Kubernetes target, moved by the real engine on a real API server."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import yaml

from posture.model.manifests.custom_resources import KINDS, read_custom_resource
from posture.model.settings import read_settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from subprocess import CompletedProcess

    from posture.model.application import Application
    from posture.model.entries import Entry
    from posture.model.posture import Posture
    from tests.conftest import Project
    from tests.kubernetes.control_plane import ControlPlane

__all__ = ["ClusterStack", "Written", "entry_written", "prepare_cluster"]

GATEWAY_CLASS = """
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: consul}
spec: {controllerName: consul.hashicorp.com/gateway-controller}
"""
_WRITES = {"create", "update", "patch", "delete"}
_PREFIX = "consul-posture:"


@dataclass(frozen=True)
class Written:
    """A write that the API server has taken: what was done, to which object, and the object after it."""

    verb: str
    resource: str
    namespace: str
    name: str
    object: Mapping[str, Any]


@dataclass(frozen=True)
class ClusterStack:
    """A stack of the test project, used as its users do."""

    project: Project
    control_plane: ControlPlane
    name: str

    def configure(self, **values: object) -> None:
        """Write the stack's configuration anew."""
        own = {
            "target": "kubernetes",
            "kubeContext": self.control_plane.context,
            "kubeconfig": str(self.control_plane.kubeconfig),
            "consulChart": "existing",
            "gatewaySecret": "certificates/page-tls",
            "probeImage": "",  # no container runs here
            **values,
        }
        config = {f"{_PREFIX}{key}": value for key, value in own.items() if value is not None}
        (self.project.folder / f"Pulumi.{self.name}.yaml").write_text(yaml.safe_dump({"config": config}))

    def posture(self, *arguments: str, check: int | None = 0) -> CompletedProcess[str]:
        return self.project.posture(*arguments, "--stack", self.name, check=check)

    def pulumi(self, *arguments: str, check: int | None = 0) -> str:
        """What `pulumi` says, in a shell that has sourced what `posture env` prints."""
        done = self.project.run(
            *("pulumi", *arguments, "--stack", self.name, "--non-interactive"), check=check, variables=self.variables
        )
        return done.stdout + done.stderr if check != 0 else done.stdout

    def move(self, posture: str) -> None:
        """Move to a posture by plain `pulumi`, if the stack isn't there already."""
        if json.loads(self.pulumi("stack", "output", "--json"))["posture"] != posture:
            self.pulumi("config", "set", f"{_PREFIX}posture", posture)
            self.pulumi("up", "--yes", "--skip-preview")

    def changes(self) -> dict[str, int]:
        """How many resources a preview would change, by what it would do to them."""
        summary = json.loads(self.pulumi("preview", "--json"))["changeSummary"]
        return {kind: count for kind, count in summary.items() if kind != "same"}

    def last_update(self) -> dict[str, int]:
        """What the last update did, likewise."""
        history = json.loads(self.pulumi("stack", "history", "--json"))
        return {kind: count for kind, count in history[0]["resourceChanges"].items() if kind != "same"}

    def load(self) -> tuple[Application, Posture]:
        return read_settings(self.project.folder, self.name).load(self.project.folder)

    def writes(self, since: int = 0) -> Iterator[Written]:
        """What an administrator has written; what was only tried (dry run) or refused is left out."""
        for event in list(self.control_plane.audit())[since:]:
            about = event.get("objectRef", {})
            if (
                event["verb"] in _WRITES
                and event["user"]["username"] == self.control_plane.context
                and event["responseStatus"]["code"] < 300
                and "dryRun" not in event["requestURI"]
                and "subresource" not in about
                and about.get("apiGroup") != "authorization.k8s.io"
            ):
                name = about.get("name") or event["responseObject"]["metadata"]["name"]
                yield Written(
                    event["verb"],
                    about["resource"],
                    about.get("namespace", ""),
                    name,
                    event.get("responseObject", {}),
                )

    def audited(self) -> int:
        """How many events there are so far."""
        return sum(1 for _ in self.control_plane.audit())

    @cached_property
    def variables(self) -> dict[str, str]:
        lines = self.posture("env").stdout.splitlines()
        return dict(shlex.split(line)[1].split("=", 1) for line in lines)


def prepare_cluster(control_plane: ControlPlane, certificate: Path, key: Path) -> None:
    """What every stack finds there: the gateway class that comes with Consul, and the page's certificate."""
    control_plane.kubectl("create", "namespace", "certificates")
    secret = ("--cert", str(certificate), "--key", str(key), "--namespace=certificates")
    control_plane.kubectl("create", "secret", "tls", "page-tls", *secret)
    control_plane.kubectl("apply", "--filename=-", given=GATEWAY_CLASS)


def entry_written(written: Written) -> Entry | None:
    """The config entry that a write puts into Consul, if it is about one."""
    if written.object.get("kind") not in KINDS.values():
        return None
    return read_custom_resource(dict(written.object))
