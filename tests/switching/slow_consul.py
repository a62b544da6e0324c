"""The consul plugin in slow motion: each write waits a while, so that a moment of a switch is long enough to be seen.

Consul gathers the changes of 200 ms before it tells a sidecar, so a switch at full speed mostly arrives as one.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from posture.local.plugins.consul_provider import ConsulProvider
from posture.local.plugins.lifetime import end_with_parent
from posture.local.plugins.locate import CONSUL_VERSION
from posture.local.plugins.provider_server import serve

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pulumi.provider.experimental.property_value import PropertyValue

__all__ = ["SlowMotion"]

ROOT = Path(__file__).parents[2]
FOLDER = "SLOW_CONSUL"


@dataclass(frozen=True)
class SlowMotion:
    """A folder that holds the plugin, how slow it is, and when it has written what."""

    folder: Path

    def install(self) -> dict[str, str]:
        """Write what starts the plugin; the variables with which the engine takes it."""
        self.folder.mkdir(exist_ok=True)
        shim = self.folder / "pulumi-resource-consul"
        command = shlex.join([sys.executable, "-m", "tests.switching.slow_consul"])
        shim.write_text(f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(ROOT))} exec {command} "$@"\n')
        shim.chmod(0o700)
        self.set_pace(0, 0, 0)
        return {"PATH": f"{self.folder}{os.pathsep}{os.environ['PATH']}", FOLDER: str(self.folder)}

    def set_pace(self, least: float, most: float, seed: int) -> None:
        """From now on each write takes from least to most seconds more, and the log is empty."""
        (self.folder / "pace").write_text(f"{least} {most} {seed}")
        (self.folder / "writes").write_text("")

    @property
    def pace(self) -> tuple[float, float, int]:
        """As it was set."""
        least, most, seed = (self.folder / "pace").read_text().split()
        return float(least), float(most), int(seed)

    def note(self) -> None:
        """Log that something was written now."""
        with (self.folder / "writes").open("a") as log:
            log.write(f"{time.time()}\n")

    @property
    def last_write(self) -> float:
        """When (Unix time); 0 if nothing was written since the pace was set."""
        return float(["0", *(self.folder / "writes").read_text().split()][-1])


class SlowConsul(ConsulProvider):
    """Waits before each write."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        super().__init__(environment)
        self._motion = SlowMotion(Path(environment[FOLDER]))
        self._least, self._most, seed = self._motion.pace
        self._chance = Random(seed)  # noqa: S311 - the same waits in each run

    async def _write(self, texts: Mapping[str, str]) -> dict[str, PropertyValue]:
        await asyncio.sleep(self._chance.uniform(self._least, self._most))
        written = await super()._write(texts)
        self._motion.note()
        return written


if __name__ == "__main__":
    end_with_parent()
    serve(SlowConsul(os.environ), CONSUL_VERSION)
