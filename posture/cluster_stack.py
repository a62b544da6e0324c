"""A stack whose mesh runs in a Kubernetes cluster: what it has there, and the engine that moves it."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from posture.cluster.checks import Plan, check_cluster, check_nothing_foreign
from posture.cluster.connection import UnreachableError, connect
from posture.cluster.deployments import DeploymentStatus, deployments
from posture.model.manifests.inventory import inventory
from posture.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Callable

    from posture.cluster.connection import Connection

__all__ = ["ClusterStack", "ClusterStatus"]


@dataclass(frozen=True)
class ClusterStatus:
    """How a stack's Deployments are."""

    cluster: str
    healthy: bool
    processes: tuple[DeploymentStatus, ...]


class ClusterStack(Stack):
    """Pods in a cluster. Its state is where `PULUMI_BACKEND_URL` says, else below `.posture/`."""

    @property
    def backend(self) -> str:
        """The URL of where Pulumi keeps the stack's state: the user's choice counts."""
        return os.environ.get("PULUMI_BACKEND_URL") or super().backend

    @property
    def page(self) -> str:
        """The URL of the application's first page, as visitors know it."""
        application, _ = self.load()
        gateway = application.gateway
        return f"https://{gateway.hostname}:{gateway.port}{gateway.routes[0].path}"

    @property
    def namespace(self) -> str:
        """Where the application runs."""
        application, _ = self.load()
        return self.settings.placement(self.name, application).namespace

    def connect(self) -> Connection:
        """A connection to the cluster."""
        return connect(self.settings.kube_context, self.settings.kubeconfig)

    def up(self, report: Callable[[str], None]) -> None:
        """Apply the posture; the program looks at the cluster first, and the engine previews before anything changes.

        Raises:
            InputError: What is in the way in the cluster; nothing was changed.
            EngineError: The engine did not complete the change.
        """
        application, posture = self.load()
        if self.settings.cluster_checks:  # the program does so too; here its answer is a line of its own
            found = inventory(application, posture, self.settings, self.name)
            check_cluster(self.connect(), Plan.of(found, application, self.settings))
        report(f"applying the posture to the cluster of context {self.settings.kube_context}")
        self.engine().up(preview=True)

    def down(self, report: Callable[[str], None]) -> None:
        """Delete all that the stack has in the cluster, and its state where that is below `.posture/`.

        Raises:
            InputError: Somebody else's custom resources would be left without the controller that can delete them.
            EngineError: The engine did not complete the deletion.
        """
        if self.settings.consul_is_ours:
            check_nothing_foreign(self.connect(), self.name)
        engine = self.engine()
        engine.prepare()
        report(f"deleting what the stack has in the cluster of context {self.settings.kube_context}")
        engine.destroy()
        engine.forget_salt(self.project, self.name, self.layout.pulumi_state)
        shutil.rmtree(self.layout.state, ignore_errors=True)

    def status(self) -> ClusterStatus:
        """Which Deployments are available."""
        try:
            found = tuple(deployments(self.connect(), self.namespace, self.name))
        except UnreachableError:
            found = ()
        healthy = bool(found) and all(each.state == "running" for each in found)
        return ClusterStatus(self.settings.kube_context, healthy, found)
