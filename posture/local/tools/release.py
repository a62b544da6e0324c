"""The official release of a program, given up on after a few seconds without internet."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from posture.local.tools.cache import platform_tag
from posture.local.tools.catalogue import PULUMI_SITE
from posture.local.tools.processes import run

if TYPE_CHECKING:
    from collections.abc import Callable

    from posture.local.tools.cache import Staging
    from posture.local.tools.catalogue import Tool

__all__ = ["REFUSED", "UNREACHABLE", "RefusedError", "UnreachableError", "fetch_release", "has_release"]

UNREACHABLE, REFUSED = 3, 4  # exit codes of posture.local.tools.download
_FIRST_BYTE_SECONDS = 6.0
_STALL_SECONDS = 15.0
_LONGEST_SECONDS = 300.0  # about what a build takes
_POLL_SECONDS = 0.25
_MEGABYTE = 1_000_000


class UnreachableError(Exception):
    """The release can't be had now; the text says why."""


class RefusedError(Exception):
    """What was fetched isn't what was pinned; the text says how."""


def has_release(tool: Tool) -> bool:
    """Whether there is an official release for this platform that we know how to check."""
    return tool.release_site == PULUMI_SITE or (tool.release_site is not None and platform_tag() in tool.release_sums)


async def fetch_release(tool: Tool, stage: Staging, *, on_progress: Callable[[str], None]) -> None:
    """Put the release into ``stage.root``.

    Whatever waits (a look-up, a connection, a proxy, curl in Pulumi's script) shows as nothing arriving: after 6 s
    without a first byte, 15 s without another, or 300 s without an end it is given up on.

    Raises:
        UnreachableError: It can't be had.
        RefusedError: Its checksum isn't the pinned one.
    """
    said: list[str] = []
    checksum = tool.release_sums.get(platform_tag(), "-")
    site = tool.release_site or ""
    fetching = asyncio.ensure_future(
        run(
            [sys.executable, "-m", "posture.local.tools.download", tool.name, tool.version, site, checksum, stage.root],
            cwd=stage.scratch,
            env={**os.environ, "TMPDIR": str(stage.scratch), "PULUMI_SKIP_UPDATE_CHECK": "true"},
            on_line=said.append,
        )
    )
    began = since = time.monotonic()
    arrived = 0
    try:
        while not (await asyncio.wait({fetching}, timeout=_POLL_SECONDS))[0]:
            now, size = time.monotonic(), _bytes_under(stage)
            if size != arrived:
                arrived, since = size, now
                on_progress(f"downloading from {site}, {arrived / _MEGABYTE:.0f} MB")
            if now - since > (_STALL_SECONDS if arrived else _FIRST_BYTE_SECONDS):
                raise UnreachableError(f"nothing arrived for {now - since:.0f} s")
            if now - began > _LONGEST_SECONDS:
                raise UnreachableError(f"not done after {now - began:.0f} s")
        code = fetching.result()
    finally:
        fetching.cancel()
        with suppress(asyncio.CancelledError):
            await fetching
    reason = next((line for line in reversed(said) if line), f"exit code {code}")
    if code == REFUSED:
        raise RefusedError(reason)
    if code != 0 or not (stage.root / "bin" / tool.name).is_file():
        raise UnreachableError(reason)


def _bytes_under(stage: Staging) -> int:
    size = 0
    for directory in (stage.scratch, stage.root):
        for path in directory.rglob("*"):
            with suppress(OSError):  # gone meanwhile
                size += path.lstat().st_size if path.is_file() else 0
    return size
