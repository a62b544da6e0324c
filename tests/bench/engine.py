"""The real engine on projects that benchmarks have made: how long it takes, and how much memory its processes need."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

import psutil
from rich.console import Console

from posture.local import tools
from posture.local.plugins.locate import plugin_path
from tests.bench.figures import peak_megabytes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

__all__ = ["STACK", "Engine"]

STACK = "bench"
_PROCESSES = {"pulumi.policy": "policy pack", "language": "language host", "consul": "consul plugin"}


@dataclass(frozen=True)
class Engine:
    """The `pulumi` command in a project's folder, where its state is, too."""

    project: Path
    variables: Mapping[str, str]

    @classmethod
    def of(cls, project: Path) -> Self:
        """Put the interpreter of this process and stand-ins into a project, and start with an empty state."""
        (project / ".venv").symlink_to(sys.prefix)
        (pulumi,) = tools.ensure(("pulumi",), console=Console(stderr=True)).values()
        variables = {key: value for key, value in os.environ.items() if not key.startswith(("PULUMI_", "CONSUL_"))}
        variables |= {
            "PATH": f"{pulumi.path.parent}:{os.environ['PATH']}",
            "PULUMI_BACKEND_URL": f"file://{project / 'state'}",
            "PULUMI_CONFIG_PASSPHRASE": "a benchmark's",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
        }
        plugins = plugin_path(project / "plugins", environment=variables)
        made = cls(project, variables | {"PATH": ":".join([*map(str, plugins), variables["PATH"]])})
        made.forget()
        return made

    def having(self, more: Mapping[str, str]) -> Self:
        """The same with more variables."""
        return replace(self, variables={**self.variables, **more})

    def forget(self) -> None:
        """Start again with an empty state."""
        shutil.rmtree(self.project / "state", ignore_errors=True)
        (self.project / "state").mkdir()
        self.run("stack", "init", STACK)

    def run(self, *arguments: str) -> float:
        """Seconds; its own words end this benchmark if it fails."""
        started = time.perf_counter()
        with self._started(arguments) as process:
            process.wait()
        taken = time.perf_counter() - started
        self._check(process)
        return taken

    def memory(self, *arguments: str) -> dict[str, float]:
        """The most megabytes that each of its processes has had resident, as Linux keeps them."""
        most: dict[str, float] = {}
        with self._started(arguments) as process:
            while process.poll() is None:
                for name, peak in _peaks(process.pid):
                    most[name] = max(most.get(name, 0), peak)
                time.sleep(0.05)
        self._check(process)
        return most

    @contextmanager
    def _started(self, arguments: tuple[str, ...]) -> Iterator[subprocess.Popen[bytes]]:
        """An engine that ends with the block, even where that is interrupted and the engine wasn't."""
        command = ["pulumi", *arguments, "--non-interactive"]
        with (
            (self.project / "output").open("w") as output,
            subprocess.Popen(
                command, cwd=self.project, env=dict(self.variables), stdout=output, stderr=output
            ) as process,
        ):
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.send_signal(signal.SIGINT)
                    process.wait()

    def _check(self, process: subprocess.Popen[bytes]) -> None:
        if process.returncode:
            words = (self.project / "output").read_text()
            sys.exit(f"{shlex.join(map(str, process.args))} ended with {process.returncode}:\n{words}")  # type: ignore[arg-type]


def _peaks(engine: int) -> Iterator[tuple[str, float]]:
    """The name and peak of each process that is there now; those that end meanwhile are left out."""
    try:
        processes = [psutil.Process(engine), *psutil.Process(engine).children(recursive=True)]
    except psutil.Error:
        return
    for process in processes:
        try:
            command = " ".join(process.cmdline()[1:])
            peak = peak_megabytes(process.pid)
        except (OSError, psutil.Error):
            continue
        names = (name for word, name in _PROCESSES.items() if process.pid != engine and word in command)
        yield next(names, "engine"), peak
