"""A stack whose mesh runs in a Kubernetes cluster: what it has there, and the engine that moves it."""

from __future__ import annotations

import os
import shutil
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from posture.cluster.checks import Plan, check_cluster
from posture.cluster.connection import connect
from posture.cluster.deployments import DeploymentStatus, deployments
from posture.cluster.entries import as_applied
from posture.cluster.foreign import check_nothing_foreign
from posture.cluster.probing import ClusterTarget
from posture.errors import InputError
from posture.local.entrance import is_ready
from posture.local.errors import MeshError
from posture.model.access import Access, Arrival
from posture.model.entries import compile_entries
from posture.model.manifests.inventory import inventory
from posture.stack import Stack
from posture.verify.agreement import declared_requests, settle
from posture.verify.places import count, make_room

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from posture.cluster.connection import Connection
    from posture.model.application import Application
    from posture.model.entries import Entry

__all__ = ["ClusterStack", "ClusterStatus"]

_STARTING, _SETTLING = 120, 60
"""Seconds for pods to run, and for the last change to reach every Envoy."""

_DRAINING = 60
"""Seconds; consul-dataplane has Envoy close connections of earlier rules after 30."""


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
        """The URL of where Pulumi keeps the stack's state: the user's choice counts.

        What a shell has of `posture env`, of whichever stack, is no choice.
        """
        chosen = os.environ.get("PULUMI_BACKEND_URL", "")
        ours = chosen.startswith(f"{self.layout.state.parent.as_uri()}/")
        return chosen if chosen and not ours else super().backend

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
            MeshError: The mesh answers otherwise than the posture; with the calls that differ.
        """
        application, posture = self.load()
        if self.settings.cluster_checks:  # the program does so too; here its answer is a line of its own
            found = inventory(application, posture, self.settings, self.name)
            check_cluster(self.connect(), Plan.of(found, application, self.settings))
        report(f"applying the posture to the cluster of context {self.settings.kube_context}")
        self.engine().up(preview=True)
        if not self.settings.probe_image:
            report("not asking the mesh whether it does so: 'probeImage' is empty")
            return
        report("having the pods ask each other")
        try:
            with self.live(_STARTING) as target:
                self._settle(target, report)
        except InputError as error:
            raise MeshError(
                f"the posture was applied, and the mesh could not be asked whether it does so: {error}"
            ) from None

    def _settle(self, target: ClusterTarget, report: Callable[[str], None]) -> None:
        """Return when the mesh is seen to do what it says: that a resource is `Synced` proves no traffic."""
        application, posture = self.load()
        requests = declared_requests(application)
        report(f"asking the mesh {len(requests)} questions that the posture answers")
        access = Access(self.as_held(compile_entries(application, posture, self.settings.proxies)))
        make_room(target, application, access)
        settled = settle(access, requests, target, timeout=_SETTLING)
        if settled.wrong:
            message = f"the mesh does not do what posture '{posture.name}' says"
            raise MeshError(message, tuple(map(str, settled.wrong)))
        full = sorted({each.request.destination for each in settled.unmeasured})
        for destination in full:
            report(f"{destination} could not be asked: others hold all the connections that its limit allows")
        if application.gateway.routes[0].to not in full:
            self._wait_for_page(application, target)
        _wait_drained(target)

    def _wait_for_page(self, application: Application, target: ClusterTarget) -> None:
        path, until = application.gateway.routes[0].path, time.monotonic() + _SETTLING
        while True:
            answer = target.enter(Arrival(application.gateway.name, "GET", path))
            if is_ready(answer):
                return
            if time.monotonic() > until:
                said = f"{answer.status or 'nothing'} {answer.words!r}"
                raise MeshError(f"the gateway does not serve {self.page}: it answered {said}; see its pod")
            time.sleep(0.2)

    @contextmanager
    def live(self, patience: float = 0) -> Iterator[ClusterTarget]:
        """The mesh that runs, to be asked in everybody's name; if it is just starting, with patience (seconds).

        Raises:
            InputError: It isn't running, or not everybody can ask.
        """
        if not self.settings.probe_image:
            raise InputError("'probeImage' is empty, so nobody can be asked; set it to an image with curl")
        application, _ = self.load()
        placement = self.settings.placement(self.name, application)
        with ClusterTarget(self.connect(), application, placement, self.settings.probe_image, patience) as target:
            yield target

    def as_held(self, entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
        """A posture's entries as Consul holds them in a cluster."""
        application, _ = self.load()
        return as_applied(entries, self.settings.certificate(application).name)

    @staticmethod
    def logs() -> dict[str, str]:
        """None: the cluster keeps the logs."""
        return {}

    def down(self, report: Callable[[str], None]) -> None:
        """Delete all that the stack has in the cluster, and its state where that is below `.posture/`.

        The passphrase stays where the configuration has a secret that only it opens.

        Raises:
            InputError: Somebody else's custom resources would be left without the controller that can delete them.
            EngineError: The engine did not complete the deletion.
        """
        if self.settings.consul_is_ours:
            check_nothing_foreign(self.connect(), self.name)
        engine = self.engine()
        engine.prepare()
        report(f"deleting what the stack has in the cluster of context {self.settings.kube_context}")
        if not self.settings.gateway_key:
            engine.forget_salt(self.project, self.name, self.layout.pulumi_state)  # which the state still tells
        engine.destroy()
        if self.settings.gateway_key and self.layout.passphrase.exists():
            report(f"keeping {self.layout.passphrase}: it opens the secrets of Pulumi.{self.name}.yaml")
            for each in set(self.layout.state.iterdir()) - {self.layout.passphrase}:
                shutil.rmtree(each) if each.is_dir() else each.unlink()
        else:
            shutil.rmtree(self.layout.state, ignore_errors=True)

    def status(self) -> ClusterStatus:
        """Which Deployments are available, of those that the posture's application has.

        Raises:
            UnreachableError: The cluster does not answer.
        """
        wanted = [each for each in inventory(*self.load(), self.settings, self.name) if each["kind"] == "Deployment"]
        found = tuple(deployments(self.connect(), self.namespace, self.name, wanted))
        return ClusterStatus(self.settings.kube_context, all(each.state == "running" for each in found), found)


def _wait_drained(target: ClusterTarget) -> None:
    """Return when no connection is left that was opened under earlier rules (ADR 6).

    Raises:
        MeshError: There still is one when it should have ended long since.
    """
    until = time.monotonic() + _DRAINING
    left = target.proxies()
    draining = r"^listener_manager\.total_.*_draining$"
    while left := [name for name in left if count(target, name, draining) != 0]:  # who doesn't say may be at it
        if time.monotonic() > until:
            raise MeshError(f"connections of before the change are still open at {', '.join(left)}; restart these pods")
        time.sleep(0.5)
