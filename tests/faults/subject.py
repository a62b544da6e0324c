"""The mesh that faults are tried on: a live stack, its processes, and what must be true of it when it has healed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
from rich.console import Console

from posture.local.consul import Consul
from posture.local.probing import LocalTarget
from posture.local.supervisor import Supervisor
from posture.local.tokens import load_secrets
from posture.local_stack import LocalStack
from posture.model.access import Access
from posture.model.entries import compile_entries
from posture.model.held import held_entries
from posture.model.matrix import matrix
from posture.verify.cells import observed_cells
from posture.verify.drift import drift_findings
from posture.verify.findings import Outcome
from tests.conftest import Project, eventually
from tests.switching.slow_consul import SlowMotion

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from random import Random

    from posture.local.mesh import Mesh
    from posture.local.supervisor import ProcessStatus
    from posture.model.access import Arrival, Request
    from posture.verify.answers import Answer

NETWORK, GATEWAY_PORT = 60, 9460
POSTURES = ("deny-all", "layered-allow", "baseline")
BIN = Path(sys.executable).parent
SETTLING = 5.0
"""Seconds that the last change is given to reach every Envoy when the matrix is asked."""
SLOW = 15.0
"""Seconds after which a healing command is shown with the times of its steps."""


class Running:
    """A command that runs; what it says is read as it comes, with the time, and none of it may ever be a traceback."""

    def __init__(self, project: Project, variables: Mapping[str, str], *command: str) -> None:
        self.process = subprocess.Popen(
            command,
            cwd=project.folder,
            env={**project.environment, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []
        self._begun = time.monotonic()
        self._times: list[float] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        for line in self.process.stdout or ():
            self._times.append(time.monotonic() - self._begun)
            self.lines.append(line)

    @property
    def said(self) -> str:
        return "".join(self.lines)

    @property
    def timed(self) -> str:
        """What it has said, each line after the seconds since it was started."""
        return "".join(f"{seconds:6.1f} {line}" for seconds, line in zip(self._times, self.lines, strict=False))

    def until_said(self, *words: str) -> None:
        """Wait for a line that has all these words."""
        eventually(
            lambda: any(all(word in line for word in words) for line in list(self.lines)) or self.ended,
            f"never said {words}: {self.said}",
            60,
        )

    @property
    def ended(self) -> bool:
        return self.process.poll() is not None

    def engine(self) -> psutil.Process:
        """The engine that it has started for `up`, once it is there."""
        eventually(lambda: self._engine() or self.ended, f"no engine was started: {self.said}", 60)
        found = self._engine()
        assert found, f"it ended without an engine: {self.said}"
        return found

    def _engine(self) -> psutil.Process | None:
        with suppress(psutil.NoSuchProcess):
            own = psutil.Process(self.process.pid)
            for each in [own, *own.children()]:
                if each.name() == "pulumi" and each.cmdline()[1:2] == ["up"]:
                    return each
        return None

    def end(self, *codes: int) -> str:
        """Wait for it; what it has said."""
        try:
            code = self.process.wait(timeout=150)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"it doesn't end: {self.said}") from None
        self._reader.join(timeout=30)
        assert "Traceback" not in self.said, self.said
        assert code in codes, f"ended with {code}: {self.said}"
        return self.said

    def error(self, *codes: int) -> str:
        """Wait for it; the one line that says what is wrong."""
        lines = [
            line for line in self.end(*codes).splitlines() if line.startswith("error: ") and len(line) > len("error: ")
        ]
        assert lines, self.said
        return lines[-1]


class CountingTarget(LocalTarget):
    """Counts what it asks."""

    asked = 0

    def ask(self, request: Request) -> list[Answer]:
        answers = super().ask(request)
        self.asked += len(answers)
        return answers

    def enter(self, arrival: Arrival) -> Answer:
        self.asked += 1
        return super().enter(arrival)


class Subject:
    """A stack that is up when a fault begins.

    ``posture`` is the one that it is under, ``engine_seconds`` how long the engine took for it, ``up_seconds`` all.
    """

    def __init__(self, project: Project, number: int) -> None:
        self._motion = SlowMotion(project.folder / "slow")
        self.project = replace(project, environment={**project.environment, **self._motion.install()})
        self.name = "faults"
        project.add_stack(self.name, f"127.{NETWORK + number}", GATEWAY_PORT + number)
        self.posture = ""
        self.up_seconds = self.engine_seconds = 0.0

    @property
    def stack(self) -> LocalStack:
        return LocalStack(self.project.folder, self.name, Console(stderr=True))

    @property
    def mesh(self) -> Mesh:
        return self.stack.mesh()

    @property
    def state(self) -> Path:
        return self.stack.layout.state

    @property
    def pulumi_state(self) -> Path:
        return self.stack.layout.pulumi_state

    @property
    def checkpoint(self) -> Path:
        [found] = self.pulumi_state.glob(f".pulumi/stacks/*/{self.name}.json")
        return found

    def locks(self) -> Path:
        """The folder of the engine's locks."""
        return self.pulumi_state / ".pulumi" / "locks" / "organization" / "consul-posture" / self.name

    def process(self, name: str) -> ProcessStatus:
        return next(each for each in self.mesh.status().processes if each.name == name)

    def pid(self, name: str) -> int:
        pid = self.process(name).pid
        assert pid, f"{name} isn't running"
        return pid

    def supervised(self) -> list[psutil.Process]:
        """Supervisord and all that runs below it."""
        return Supervisor(self.state, {}).processes()

    def others(self, random: Random) -> str:
        """Another posture than its own."""
        return random.choice([each for each in POSTURES if each != self.posture])

    def up(self, posture: str) -> Running:
        return Running(self.project, {}, str(BIN / "posture"), "up", posture, "--stack", self.name)

    def down(self) -> Running:
        return Running(self.project, {}, str(BIN / "posture"), "down", "--stack", self.name)

    def variables(self) -> dict[str, str]:
        """What a shell has that sourced `posture env`."""
        exports = self.stack.exports()
        return {**exports, "PATH": f"{self._motion.folder}{os.pathsep}{exports['PATH']}"}

    def plain_up(self, posture: str) -> Running:
        variables = self.variables()
        command = ("pulumi", "config", "set", "posture", posture, "--stack", self.name)
        self.project.run(*command, variables=variables)
        return Running(
            self.project,
            variables,
            "pulumi",
            "up",
            "--yes",
            "--skip-preview",
            "--non-interactive",
            "--stack",
            self.name,
        )

    def heal(self, posture: str) -> float:
        """The one command; how long it takes."""
        begun = time.monotonic()
        running = self.up(posture)
        engine = running.engine()
        engine_begun = time.monotonic()
        with suppress(psutil.NoSuchProcess):
            engine.wait(timeout=120)
        self.engine_seconds = time.monotonic() - engine_begun
        running.end(0)
        self.up_seconds = time.monotonic() - begun
        if self.up_seconds > SLOW:
            print(f"took {self.up_seconds:.1f} s to {posture}:\n{running.timed}", file=sys.stderr)  # noqa: T201 - for who reads on
        self.posture = posture
        return self.up_seconds

    def consul(self) -> Consul:
        """Consul, as who may do everything there."""
        secrets = load_secrets(self.stack.layout.secrets)
        assert secrets
        return Consul(self.stack.layout.consul_address, secrets.management)

    def entries(self) -> list[dict[str, Any]]:
        return self._target().entries()

    @contextmanager
    def slow_writes(self, seconds: float = 3) -> Iterator[None]:
        """Commands that are started within the block take so long for each write."""
        self._motion.set_pace(seconds, seconds, seed=0)
        try:
            yield
        finally:
            self._motion.set_pace(0, 0, seed=0)

    def check(self, foreign: tuple[str, ...] = ()) -> int:
        """Everything that must be true of a healed mesh; how many requests were asked to find out.

        Args:
            foreign: The entries, as `KIND/NAME`, that others have left in Consul.
        """
        stack = self.stack
        application, posture = stack.load()
        assert posture.name == self.posture
        entries = compile_entries(application, posture)
        target = self._target()
        cells = observed_cells(matrix(Access(entries), application, posture.name), application, target, SETTLING)
        wrong = [str(cell) for cell in cells if cell.outcome is not Outcome.HOLDS]
        assert cells
        assert not wrong, "\n".join(wrong)

        held = held_entries(target.entries())
        findings = drift_findings(application, posture.name, entries, held)
        assert {each.name for each in findings if each.outcome is Outcome.FAILS} == set(foreign)
        standing = stack.standing()
        assert standing
        assert standing.recorded.entries
        assert not standing.changed, "Pulumi's state isn't what Consul has"

        assert not json.loads(self.checkpoint.read_text())["checkpoint"]["latest"].get("pending_operations")
        assert not list(self.locks().glob("*")), "a lock is left"
        status = self.mesh.status()
        assert status.healthy, status
        pids = {each.pid for each in status.processes}
        strays = {each.pid for each in self.supervised()} - pids
        assert len(strays) == 1, f"more than supervisord: {strays}"
        assert not self.engines(), "an engine or a plugin is left"
        return target.asked

    def engines(self) -> list[str]:
        """The command lines of all processes that work on the stack's state."""
        found = []
        for each in psutil.process_iter():
            with suppress(psutil.Error):
                if each.environ().get("PULUMI_BACKEND_URL") == self.pulumi_state.as_uri():
                    found.append(f"{each.pid} {' '.join(each.cmdline())}")
        return found

    def _target(self) -> CountingTarget:
        stack = self.stack
        return CountingTarget(stack.mesh(), stack.layout, stack.tools["fortio"].path)


@contextmanager
def subject(number: int = 0) -> Iterator[Subject]:
    """A stack of its own, up, with addresses by its number; nothing is left of it afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        project = Project.copied(Path(folder))
        found = Subject(project, number)
        try:
            found.heal("deny-all")
            found.heal("layered-allow")
            yield found
        finally:
            project.posture("down", "--stack", found.name)
