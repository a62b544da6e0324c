"""The consul plugin in slow motion: each write waits a while, so that a moment of a switch is long enough to be seen.

Consul gathers the changes of 200 ms before it tells a sidecar, so a switch at full speed mostly arrives as one.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import sys
import time
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from posture.local.plugins.consul_provider import ConsulProvider
from posture.local.plugins.locate import CONSUL_VERSION
from posture.local.plugins.provider_server import serve

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pulumi.provider.experimental.property_value import PropertyValue

__all__ = ["put_on_path"]

ROOT = Path(__file__).parents[2]
MOST, SEED, LOG = "SLOW_MOST_SECONDS", "SLOW_SEED", "SLOW_LOG"


class SlowConsul(ConsulProvider):
    """Waits up to so many seconds before each write, and notes when it was done."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        super().__init__(environment)
        self._chance = Random(environment[SEED])  # noqa: S311 - the same waits in each run
        self._most = float(environment[MOST])
        self._log = Path(environment[LOG])

    async def _write(self, texts: Mapping[str, str]) -> dict[str, PropertyValue]:
        await asyncio.sleep(self._chance.uniform(0, self._most))
        written = await super()._write(texts)
        with self._log.open("a") as log:
            log.write(f"{time.time()} {texts['kind']}/{texts['name']}\n")
        return written


def put_on_path(folder: Path, most: float, seed: int) -> dict[str, str]:
    """Write what starts it into a folder; the variables with which the engine takes it."""
    folder.mkdir(exist_ok=True)
    shim = folder / "pulumi-resource-consul"
    command = shlex.join([sys.executable, "-m", "tests.switching.slow_consul"])
    shim.write_text(f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(ROOT))} exec {command} "$@"\n')
    shim.chmod(0o700)
    log = folder / "writes"
    log.write_text("")
    return {
        "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
        MOST: str(most),
        SEED: str(seed),
        LOG: str(log),
    }


if __name__ == "__main__":
    serve(SlowConsul(os.environ), CONSUL_VERSION)
