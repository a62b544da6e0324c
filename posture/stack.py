"""One stack: its settings, its application and posture, and the engine that moves it; what runs it is each target's."""

from __future__ import annotations

import os
import secrets
import sys
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posture.errors import InputError
from posture.local import tools
from posture.local.exclusion import exclusively
from posture.local.layout import Layout
from posture.local.plugins.locate import plugin_path
from posture.local.private import make_private, write_private
from posture.model.settings import read_settings
from posture.program.engine import Engine

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from rich.console import Console

    from posture.model.application import Application
    from posture.model.held import Standing
    from posture.model.posture import Posture
    from posture.model.settings import Settings

__all__ = ["Stack", "find_project"]

_FILE_VARIABLE = "PULUMI_CONFIG_PASSPHRASE_FILE"


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


class Stack:
    """What all stacks have in common. Nothing is written, fetched or started before a method says so.

    ``needs`` are the names of the tools that it can't do without.
    """

    needs: Sequence[str] = ("pulumi",)
    replaceable: bool = False
    """Whether a state that is lost can be made anew by declaring everything over what is there."""

    def __init__(self, project: Path, name: str, console: Console) -> None:
        self.project = project
        self.name = name
        self.settings = read_settings(project, name)
        self.layout = Layout(name, project, self.settings.local_network, self.settings.gateway_port)
        self._console = console
        self._loaded: tuple[Settings, tuple[Application, Posture]] | None = None

    def exclusively(self) -> AbstractContextManager[None]:
        """Keep others from changing the stack for as long as it is entered.

        Raises:
            InputError: Somebody is changing it.
        """
        return exclusively(self.layout.state, self.name)

    def load(self) -> tuple[Application, Posture]:
        """The application and the posture that the settings name; their files are read once."""
        if self._loaded is None or self._loaded[0] is not self.settings:
            self._loaded = self.settings, self.settings.load(self.project)
        return self._loaded[1]

    @property
    def page(self) -> str:
        """The URL of the application's first page, as visitors know it."""
        application, _ = self.load()
        return application.gateway.page

    def wanted(self, posture: str | None, through: str | None) -> Settings:
        """The settings with another posture, or the same; nothing is written.

        A posture that is named without ``through`` opens as a whole; where neither is named both stay.

        Raises:
            InputError: No such posture or grant, or a mistake in the files.
        """
        named = posture is not None
        kept = "" if named else self.settings.through
        changes = {"posture": posture if named else self.settings.posture, "through": through or kept}
        wanted = self.settings.model_copy(update=changes)
        wanted.load(self.project)
        return wanted

    def choose(self, wanted: Settings) -> None:
        """Make the engine ready, and set the stack's configuration to the posture of these settings.

        Raises:
            InputError: An engine is at it, or the state is damaged.
        """
        changes = {"posture": wanted.posture, "through": wanted.through}
        different = {key: value for key, value in changes.items() if getattr(self.settings, key) != value}
        engine = self.engine()
        engine.prepare()
        if different:
            engine.configure(different)
        self.settings = wanted

    def applied(self) -> dict[str, Any]:
        """The outputs of the last `up`; none where there has been none."""
        never = self._own_backend and not self.layout.pulumi_state.exists()
        return {} if never else self.engine().outputs()

    def standing(self) -> Standing | None:
        """What Pulumi's state has and what Consul holds; None where that can't be had without more ado."""
        return None

    def secrets(self) -> list[str]:
        """What must not get into an archive or a comment."""
        return [self.layout.passphrase.read_text().strip()] if self.layout.passphrase.exists() else []

    def engine(self) -> Engine:
        """The engine, its environment as `posture env` prints it."""
        environment = dict(os.environ)
        if self._inherited not in {None, self.layout.passphrase}:
            del environment[_FILE_VARIABLE]
        environment |= self.exports()
        state, pulumi = self.layout.pulumi_state, self.tools["pulumi"].path
        return Engine(pulumi, self.project, self.name, state, environment, self._own_backend, self.replaceable)

    @property
    def backend(self) -> str:
        """The URL of where Pulumi keeps the stack's state."""
        return self.layout.pulumi_state.as_uri()

    @property
    def _own_backend(self) -> bool:
        return self.backend == self.layout.pulumi_state.as_uri()

    @property
    def _inherited(self) -> Path | None:
        """The passphrase file that the shell has of `posture env`, for whichever stack: it is nobody's choice."""
        file = Path(os.environ.get(_FILE_VARIABLE, ""))
        return file if self.layout.state.parent in file.parents else None

    def exports(self) -> dict[str, str]:
        """The variables with which plain `pulumi` works on this stack as `posture` does."""
        make_private(self.layout.state.parent)
        make_private(self.layout.state)
        programs = {Path(sys.executable).parent, *(tool.path.parent for tool in self.tools.values())}
        own = [*plugin_path(self.layout.plugins, environment=os.environ), *sorted(programs)]
        inherited = os.environ.get("PATH", "").split(os.pathsep)
        variables = {
            "PATH": os.pathsep.join(dict.fromkeys([*map(str, own), *inherited])),
            "PULUMI_BACKEND_URL": self.backend,
            "PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER": "true",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
        }
        chosen = "PULUMI_CONFIG_PASSPHRASE" in os.environ or (os.environ.get(_FILE_VARIABLE) and not self._inherited)
        if self._own_backend and not chosen:
            if not self.layout.passphrase.exists():
                write_private(self.layout.passphrase, secrets.token_urlsafe(32))
            variables[_FILE_VARIABLE] = str(self.layout.passphrase)
        return variables

    @cached_property
    def tools(self) -> dict[str, tools.InstalledTool]:
        """The programs that it needs, fetched or built where they aren't there."""
        return tools.ensure(self.needs, console=self._console)
