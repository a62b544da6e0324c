"""A stack whose mesh runs on this machine: the processes, and the engine that configures them."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING

from posture.errors import InputError
from posture.local import tools
from posture.local.begun import Begun, delete_entries
from posture.local.consul import Consul, is_enterprise
from posture.local.entrance import wait_for_page
from posture.local.exclusion import exclusively
from posture.local.layout import Layout
from posture.local.mesh import Mesh, MeshError, MeshStatus
from posture.local.probing import LocalTarget
from posture.local.tokens import load_secrets
from posture.model.access import Access
from posture.model.document import nearest
from posture.model.entries import compile_entries
from posture.model.held import Standing, held_entries
from posture.model.limit_fields import Edition
from posture.model.matrix import UNKNOWN
from posture.model.settings import stacks
from posture.program.engine import Engine, EngineError
from posture.program.file_backend import FileBackend
from posture.stack import Stack
from posture.verify.agreement import declared_requests, settle
from posture.verify.drift import drift_findings
from posture.verify.findings import Outcome
from posture.verify.places import make_room

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from posture.model.application import Application
    from posture.model.entries import Entry

__all__ = ["LocalStack", "remove_stack"]

_GATEWAY_PATIENCE = 5
"""Seconds until a gateway that serves no page is taken for one that Consul has given up."""


def remove_stack(project: Path, name: str) -> None:
    """End a stack's processes and remove its files and its state, even where its configuration is broken by now.

    Raises:
        InputError: There is no such stack, or somebody is changing it.
    """
    if name not in stacks(project):
        raise InputError(f"no stack '{name}'; {nearest(name, stacks(project))}")
    layout = Layout(name, project)
    with exclusively(layout.state, name):
        FileBackend(layout.pulumi_state, name).release()
        Engine.forget_salt(project, name, layout.pulumi_state)
        Mesh.remove(layout)


class LocalStack(Stack):
    """A mesh of processes; it is removed by `remove_stack`, which needs no valid configuration."""

    needs = tuple(tools.TOOLS)
    replaceable = True

    def up(self, report: Callable[[str], None]) -> None:
        """Start what is not running, apply the posture, and return when the mesh is seen to do what it says.

        Ctrl-C leaves nothing running that this call has started, and a mesh that ran before as far as it has come.

        Raises:
            InputError: A port is taken, or the passphrase is wrong.
            EngineError: The engine did not complete the change.
            MeshError: The mesh did not get ready, or answers otherwise than the posture; with the calls that differ.
        """
        self._check_edition()
        mesh = self.mesh()
        was_down = not any(process.state == "running" for process in mesh.status().processes)
        try:
            self._up(mesh, report)
        except KeyboardInterrupt:
            if was_down:
                mesh.stop()
            raise

    def _check_edition(self) -> None:
        """Refuse to apply what Community Edition would refuse halfway."""
        if self.settings.edition is Edition.ENTERPRISE and not is_enterprise(self.tools["consul"].path):
            raise InputError(
                f"stack '{self.name}' is set to edition 'enterprise', and its Consul is of the Community Edition; "
                "set edition to community"
            )

    def _up(self, mesh: Mesh, report: Callable[[str], None]) -> None:
        mesh.start(report)
        try:
            self._apply(mesh, report)
        except MeshError:
            consul = mesh.consul
            if consul.state != "dead":
                raise
            report(f"{consul}; starting it again; logs are in {self.layout.log}")
            mesh.start(report)
            self._apply(mesh, report)

    def _apply(self, mesh: Mesh, report: Callable[[str], None]) -> None:
        standing, begun = self._standing(mesh), Begun(self.layout.begun)
        changed = standing.changed
        if changed:
            who = "an `up` that was cut short, or others," if begun.unfinished else "others"
            report(f"reading all entries anew, for {who} have changed {', '.join(changed)}")
        declared = {entry.label for entry in self._compiled()}
        self._take_back(mesh, [name for name in standing.unrecorded if name not in declared], report)
        begun.add(declared - {entry.label for entry in standing.held.entries})
        report("applying the posture")
        try:
            self.engine().up(refresh=bool(changed))
        except EngineError:
            mesh.check_alive()  # if somebody died, that is why, and their log says more
            raise
        begun.end()
        mesh.wait_healthy(report)
        self._settle(mesh, report)

    def _take_back(self, mesh: Mesh, names: list[str], report: Callable[[str], None]) -> None:
        """Delete what an `up` that was cut short has made, which would keep the engine from what it relies on."""
        if names:
            report(f"deleting what an `up` that was cut short has made: {', '.join(names)}")
            with Consul(self.layout.consul_address, mesh.operator_token()) as consul:
                delete_entries(consul, names)

    def _settle(self, mesh: Mesh, report: Callable[[str], None]) -> None:
        """Return when the mesh is seen to do what the posture says."""
        application, posture = self.load()
        requests = declared_requests(application)
        report(f"asking the mesh {len(requests)} questions that the posture answers")
        entries = self._compiled()
        held = held_entries(self.target(mesh).entries())
        for finding in drift_findings(application, posture.name, entries, held):
            if finding.outcome is Outcome.FAILS:
                report(f"left as it is: {finding.name} {finding.observed}")
        access, target = Access(entries), self.target(mesh)
        make_room(target, application, access)
        settled = settle(access, requests, target, timeout=30)
        if settled.wrong:
            message = f"the mesh does not do what posture '{posture.name}' says"
            raise MeshError(message, tuple(map(str, settled.wrong)))
        full = sorted({each.request.destination for each in settled.unmeasured})
        for destination in full:
            report(f"{destination} could not be asked: its limits left no room for it")
        if application.gateway.routes[0].to not in full:
            self._wait_for_page(mesh, application, report)
        mesh.wait_drained()

    def _wait_for_page(self, mesh: Mesh, application: Application, report: Callable[[str], None]) -> None:
        try:
            wait_for_page(application.gateway, self.layout, timeout=_GATEWAY_PATIENCE)
        except MeshError as error:
            report(f"registering the gateway anew: {error}")
            mesh.renew_gateway()
            wait_for_page(application.gateway, self.layout)

    def _compiled(self) -> tuple[Entry, ...]:
        application, posture = self.load()
        return compile_entries(application, posture, self.settings.proxies)

    @contextmanager
    def live(self) -> Iterator[LocalTarget]:
        """The mesh that runs, to be asked in everybody's name.

        Raises:
            InputError: It isn't running, or has no certificate for somebody.
        """
        mesh = self.mesh()
        if not any(process.name == "consul" and process.state == "running" for process in mesh.status().processes):
            raise InputError(f"stack '{self.name}' isn't running; start it with: posture up --stack {self.name}")
        target = self.target(mesh)
        application, _ = self.load()
        for source in sorted({*application.services, *application.clients, UNKNOWN}):
            try:
                target.context(source)
            except MeshError as error:
                message = f"no certificate for '{source}': {error.message}; bring the mesh up to date with: posture up"
                raise InputError(f"{message} --stack {self.name}") from error
        yield target

    def standing(self) -> Standing | None:
        """What Pulumi's state has and what Consul holds; None where that isn't running."""
        try:
            return self._standing(self.mesh())
        except MeshError:
            return None

    def _standing(self, mesh: Mesh) -> Standing:
        outputs = self.engine().backend.outputs("consul:index/configEntry:ConfigEntry")
        recorded = ({"Kind": each["kind"], "Name": each["name"], **json.loads(each["configJson"])} for each in outputs)
        held = held_entries(self.target(mesh).entries())
        return Standing(held_entries(recorded), held, Begun(self.layout.begun).names())

    @staticmethod
    def as_held(entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
        """A posture's entries as Consul holds them here: as they are."""
        return entries

    def secrets(self) -> list[str]:
        """What must not get into an archive or a comment.

        Raises:
            InputError: The tokens that are kept are damaged.
        """
        kept = load_secrets(self.layout.secrets)
        found = [kept.management, kept.agent, kept.operator, *kept.services.values()] if kept else []
        return [*found, *super().secrets()]

    def logs(self) -> dict[str, str]:
        """What the processes have written, by name."""
        return {log.stem: log.read_text(errors="replace") for log in sorted(self.layout.log.glob("*.log"))}

    def target(self, mesh: Mesh) -> LocalTarget:
        """The mesh, to be asked."""
        return LocalTarget(mesh, self.layout, self.tools["fortio"].path)

    def status(self) -> MeshStatus:
        """What runs, and what has died."""
        if not self.layout.state.exists():
            return MeshStatus(self.settings.consul_address, healthy=False, processes=())
        return self.mesh().status()

    def exports(self) -> dict[str, str]:
        """The variables with which plain `pulumi` works on this stack as `posture` does, and `consul` on its mesh."""
        variables = {**super().exports(), "CONSUL_HTTP_ADDR": self.settings.consul_address}
        token = self.mesh().operator_token()
        return {**variables, "CONSUL_HTTP_TOKEN": token} if token else variables

    def mesh(self) -> Mesh:
        """The mesh's processes."""
        application, _ = self.load()
        programs = {name: tool.path for name, tool in self.tools.items()}
        return Mesh(self.layout, application, programs, self.settings.envoy_workers)
