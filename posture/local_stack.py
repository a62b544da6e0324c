"""A stack whose mesh runs on this machine: the processes, and the engine that configures them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from posture.errors import InputError
from posture.local import tools
from posture.local.entrance import wait_for_page
from posture.local.layout import Layout
from posture.local.mesh import Mesh, MeshError, MeshStatus
from posture.local.probing import LocalTarget
from posture.model.access import Access
from posture.model.document import nearest
from posture.model.entries import compile_entries
from posture.model.settings import stacks
from posture.program.engine import Engine
from posture.stack import Stack
from posture.verify.agreement import declared_requests, settle

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["LocalStack", "remove_stack"]


def remove_stack(project: Path, name: str) -> None:
    """End a stack's processes and remove its files and its state, even where its configuration is broken by now.

    Raises:
        InputError: There is no such stack.
    """
    if name not in stacks(project):
        raise InputError(f"no stack '{name}'; {nearest(name, stacks(project))}")
    layout = Layout(name, project)
    Engine.forget_salt(project, name, layout.pulumi_state)
    Mesh.remove(layout)


class LocalStack(Stack):
    """A mesh of processes; it is removed by `remove_stack`, which needs no valid configuration."""

    needs = tuple(tools.TOOLS)

    @property
    def page(self) -> str:
        """The URL of the application's first page."""
        application, _ = self.load()
        return f"{self.settings.entrance}{application.gateway.routes[0].path}"

    def up(self, report: Callable[[str], None]) -> None:
        """Start what is not running, apply the posture, and return when the mesh is seen to do what it says.

        Ctrl-C leaves nothing running that this call has started, and a mesh that ran before as far as it has come.

        Raises:
            InputError: A port is taken, or the passphrase is wrong.
            EngineError: The engine did not complete the change.
            MeshError: The mesh did not get ready, or answers otherwise than the posture; with the calls that differ.
        """
        mesh = self.mesh()
        was_down = not any(process.state == "running" for process in mesh.status().processes)
        try:
            self._up(mesh, report)
        except KeyboardInterrupt:
            if was_down:
                mesh.stop()
            raise

    def _up(self, mesh: Mesh, report: Callable[[str], None]) -> None:
        mesh.start(report)
        report("applying the posture")
        self.engine().up()
        mesh.wait_healthy(report)
        application, posture = self.load()
        requests = declared_requests(application)
        report(f"asking the mesh {len(requests)} questions that the posture answers")
        access = Access(compile_entries(application, posture))
        settled = settle(access, requests, self.target(mesh), timeout=30)
        if settled.wrong:
            message = f"the mesh does not do what posture '{posture.name}' says"
            raise MeshError(message, tuple(map(str, settled.wrong)))
        for destination in sorted({each.request.destination for each in settled.unmeasured}):
            report(f"{destination} could not be asked: others hold all the connections that its limit allows")
        wait_for_page(self.page, self.layout)
        mesh.wait_drained()

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
        return Mesh(self.layout, application, {name: tool.path for name, tool in self.tools.items()})
