"""Get what isn't there: the official release, or else a build."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import TYPE_CHECKING

import psutil

from posture.errors import InputError
from posture.local.tools.board import Board
from posture.local.tools.building import build, usable_go
from posture.local.tools.cache import locked, make_cache, staging
from posture.local.tools.catalogue import TOOLS, InstalledTool, Origin, Tool
from posture.local.tools.finding import built_directory, find, in_cache, release_directory
from posture.local.tools.release import RefusedError, UnreachableError, fetch_release, has_release

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from rich.console import Console

__all__ = ["ensure"]

_BUILD_BYTES = 2 << 30  # what linking Pulumi or Consul was seen to take


def ensure(names: Iterable[str], *, console: Console, tools: Mapping[str, Tool] = TOOLS) -> dict[str, InstalledTool]:
    """Find the programs of these names, or get them, showing progress on the console; silent if all are there.

    Call it from the main thread, outside any event loop. After Ctrl-C nothing runs on and nothing half-done is
    used; what Go has compiled so far is in its own cache.

    Raises:
        InputError: One can't be had; says what to do.
        KeyError: There is no such tool.
    """
    found = {name: find(name, tools=tools) for name in dict.fromkeys(names)}
    missing = [tools[name] for name, there in found.items() if there is None]
    if missing:
        make_cache()
        try:
            got = asyncio.run(_Getting(missing, console).all())
        except ExceptionGroup as group:
            raise group.exceptions[0] from None
        found |= got
    return {name: there for name, there in found.items() if there is not None}


class _Getting:
    """One round of getting tools: they share the board, the knowledge that there is no internet, and the memory."""

    def __init__(self, tools: list[Tool], console: Console) -> None:
        self.tools = tools
        self.board = Board(console, [str(tool) for tool in tools])
        self.offline = False
        self.downloading = asyncio.Lock()
        # On two cores one build keeps 1.6 to 1.9 of them busy: two at once gain 8 % at most, while all is
        # compiled, more with more cores or with sources to fetch first. So memory is what limits them.
        self.building = asyncio.Semaphore(max(1, psutil.virtual_memory().available // _BUILD_BYTES))
        # Programs of one module are mostly made of the same packages: at once, each would compile them for itself.
        self.modules: dict[Path | None, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def all(self) -> dict[str, InstalledTool]:
        async with self.board.shown(), asyncio.TaskGroup() as group:
            getting = [group.create_task(self.one(tool)) for tool in self.tools]
        return {tool.name: task.result() for tool, task in zip(self.tools, getting, strict=True)}

    async def one(self, tool: Tool) -> InstalledTool:
        if tool.distribution is not None:
            raise InputError(
                f"{tool} is not there; install the Python package {tool.distribution}=={tool.version} here"
            )

        def waiting() -> None:
            self.board.say(f"{tool}: another process is getting it; waiting for that one")
            self.board.stage(str(tool), "waiting for another process")

        async with locked(tool.name, on_wait=waiting):
            there = in_cache(tool)
            if there is None:
                there = await self.released(tool) or await self.built(tool)
                self.board.say(f"{tool}: {there.origin}, in {self.board.elapsed(str(tool))}: {there.path}")
            self.board.end(str(tool))
            return there

    async def released(self, tool: Tool) -> InstalledTool | None:
        async with self.downloading:
            if self.offline or not has_release(tool):
                return None
            self.board.stage(str(tool), f"asking {tool.release_site}")
            try:
                with staging(tool.name) as (stage, put):
                    await fetch_release(tool, stage, on_progress=lambda text: self.board.stage(str(tool), text))
                    return _put(tool, Origin.RELEASE, put, release_directory(tool))
            except RefusedError as refused:
                self.board.say(f"{tool}: the release from {tool.release_site} is refused: {refused}")
            except UnreachableError as unreachable:
                self.offline = True
                self.board.say(f"{tool}: no release to be had from {tool.release_site} ({unreachable})")
            return None

    async def built(self, tool: Tool) -> InstalledTool:
        async with self.modules[tool.module], self.building:
            go = await usable_go(tool)
            self.board.say(
                f"{tool}: building it with Go {go.version}, once; takes {tool.build_time} on two cores, cold"
            )
            with staging(tool.name) as (stage, put):
                await build(
                    tool,
                    go,
                    stage,
                    on_progress=lambda text, done, total: self.board.stage(str(tool), text, done, total),
                )
                return _put(tool, Origin.BUILT, put, built_directory(tool, go.version))


def _put(tool: Tool, origin: Origin, put: Callable[[Path], None], target: Path) -> InstalledTool:
    put(target)
    return InstalledTool(tool.name, tool.version, origin, target / "bin" / tool.name)
