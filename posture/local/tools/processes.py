"""Run a program to its end, line by line, and leave nothing of it when we are interrupted."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

__all__ = ["run"]

_GRACE_SECONDS = 2.0
_LONGEST_LINE = 1 << 20


async def run(
    command: Sequence[str | Path], *, cwd: Path, env: Mapping[str, str], on_line: Callable[[str], None]
) -> int:
    """Run a command and return its exit code.

    Standard output and error arrive together at ``on_line``. It gets a session of its own, so that it and all its
    children can be ended as one: when this is cancelled they get SIGINT (on which Go removes its temporary files),
    then SIGKILL. Should we be killed outright, the next line it writes ends it (SIGPIPE).
    """
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=cwd,
        env=dict(env),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
        limit=_LONGEST_LINE,
    )
    assert process.stdout is not None  # noqa: S101 - it was asked for
    try:
        async for line in process.stdout:
            on_line(line.decode(errors="replace").rstrip())
        return await process.wait()
    finally:
        if process.returncode is None:
            _signal(process.pid, signal.SIGINT)
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), _GRACE_SECONDS)
            _signal(process.pid, signal.SIGKILL)
            await process.wait()


def _signal(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, number)
