"""One local stack put together: its settings, the tools, the mesh's processes, and the engine that configures it."""

from __future__ import annotations

import os
import secrets
import sys
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posture.errors import InputError
from posture.local import tools
from posture.local.consul import is_enterprise
from posture.local.entrance import wait_for_page
from posture.local.layout import Layout
from posture.local.mesh import Mesh, MeshError, MeshStatus
from posture.local.plugins.locate import plugin_path
from posture.local.private import make_private, write_private
from posture.local.probing import LocalTarget
from posture.model.access import Access
from posture.model.document import nearest
from posture.model.entries import compile_entries
from posture.model.limit_fields import Edition
from posture.model.settings import read_settings, stacks
from posture.program.engine import Engine
from posture.verify.agreement import declared_requests, settle

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

    from posture.model.application import Application
    from posture.model.posture import Posture

__all__ = ["LocalStack", "find_project", "remove_stack"]


def find_project() -> Path:
    """The folder that holds `Pulumi.yaml`: this one, or the nearest above it.

    Raises:
        InputError: There is none.
    """
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "Pulumi.yaml").exists():
            return folder
    raise InputError("no Pulumi.yaml here or above; run this in the project's folder")


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


class LocalStack:
    """A stack whose mesh runs on this machine. Nothing is written, fetched or started before a method says so."""

    def __init__(self, project: Path, name: str, console: Console) -> None:
        self.project = project
        self.name = name
        self.settings = read_settings(project, name)
        self.layout = Layout(name, project, self.settings.local_network, self.settings.gateway_port)
        self._console = console

    def load(self) -> tuple[Application, Posture]:
        """The application and the posture that the settings name."""
        return self.settings.load(self.project)

    @property
    def page(self) -> str:
        """The URL of the application's first page."""
        application, _ = self.load()
        return f"{self.settings.entrance}{application.gateway.routes[0].path}"

    def choose(self, posture: str | None, through: str | None) -> None:
        """Set the stack's posture, or keep it; nothing is written when the new settings can't be.

        A posture that is named without ``through`` opens as a whole; where neither is named both stay.

        Raises:
            InputError: No such posture or grant, or a mistake in the files.
        """
        kept = "" if posture else self.settings.through
        changes = {"posture": posture or self.settings.posture, "through": through or kept}
        wanted = self.settings.model_copy(update=changes)
        wanted.load(self.project)
        different = {key: value for key, value in changes.items() if getattr(self.settings, key) != value}
        engine = self.engine()
        engine.prepare()
        if different:
            engine.configure(different)
        self.settings = wanted

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
        if self.settings.edition is Edition.ENTERPRISE and not is_enterprise(self._tools["consul"].path):
            raise InputError(
                f"stack '{self.name}' is set to edition 'enterprise', and its Consul is of the Community Edition; "
                "set edition to community"
            )

    def _up(self, mesh: Mesh, report: Callable[[str], None]) -> None:
        mesh.start(report)
        report("applying the posture")
        self.engine().up()
        mesh.wait_healthy(report)
        application, posture = self.load()
        requests = declared_requests(application)
        report(f"asking the mesh {len(requests)} questions that the posture answers")
        access = Access(compile_entries(application, posture, self.settings.proxies))
        settled = settle(access, requests, self.target(mesh), timeout=30)
        if settled.wrong:
            message = f"the mesh does not do what posture '{posture.name}' says"
            raise MeshError(message, tuple(map(str, settled.wrong)))
        for destination in sorted({each.request.destination for each in settled.unmeasured}):
            report(f"{destination} could not be asked: its limits left no room for it")
        wait_for_page(self.page, self.layout)
        mesh.wait_drained()

    def target(self, mesh: Mesh) -> LocalTarget:
        """The mesh, to be asked."""
        return LocalTarget(mesh, self.layout, self._tools["fortio"].path)

    def status(self) -> MeshStatus:
        """What runs, and what has died."""
        if not self.layout.state.exists():
            return MeshStatus(self.settings.consul_address, healthy=False, processes=())
        return self.mesh().status()

    def applied(self) -> dict[str, Any]:
        """The outputs of the last `up`; none where there has been none."""
        return self.engine().outputs() if self.layout.pulumi_state.exists() else {}

    def engine(self) -> Engine:
        """The engine, its environment as `posture env` prints it."""
        environment = {**os.environ, **self.exports()}
        return Engine(self._tools["pulumi"].path, self.project, self.name, self.layout.pulumi_state, environment)

    def exports(self) -> dict[str, str]:
        """The variables with which plain `pulumi` works on this stack as `posture` does."""
        make_private(self.layout.state.parent)
        make_private(self.layout.state)
        programs = {Path(sys.executable).parent, *(tool.path.parent for tool in self._tools.values())}
        own = [*plugin_path(self.layout.plugins, environment=os.environ), *sorted(programs)]
        inherited = os.environ.get("PATH", "").split(os.pathsep)
        variables = {
            "PATH": os.pathsep.join(dict.fromkeys([*map(str, own), *inherited])),
            "PULUMI_BACKEND_URL": self.layout.pulumi_state.as_uri(),
            "PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER": "true",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "CONSUL_HTTP_ADDR": self.settings.consul_address,
        }
        if not os.environ.keys() & {"PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"}:
            if not self.layout.passphrase.exists():
                write_private(self.layout.passphrase, secrets.token_urlsafe(32))
            variables["PULUMI_CONFIG_PASSPHRASE_FILE"] = str(self.layout.passphrase)
        token = self.mesh().operator_token()
        return {**variables, "CONSUL_HTTP_TOKEN": token} if token else variables

    @cached_property
    def _tools(self) -> dict[str, tools.InstalledTool]:
        return tools.ensure(tools.TOOLS, console=self._console)

    def mesh(self) -> Mesh:
        """The mesh's processes."""
        application, _ = self.load()
        tools = {name: tool.path for name, tool in self._tools.items()}
        return Mesh(self.layout, application, tools, self.settings.envoy_workers)
