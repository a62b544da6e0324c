"""Build a program from its pinned Go module."""

from __future__ import annotations

import os
import re
from collections import deque
from typing import TYPE_CHECKING

from posture.errors import InputError
from posture.local.tools.cache import cache_directory
from posture.local.tools.finding import BUILD_FLAGS
from posture.local.tools.golang import installed_go, plain_version, required_go
from posture.local.tools.processes import run

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from posture.local.tools.cache import Staging
    from posture.local.tools.catalogue import Tool
    from posture.local.tools.golang import Go

__all__ = ["build", "usable_go"]

_TAIL_LINES = 3
_LOG_LINES = 2000
_IMPORT_PATH = re.compile(r"[\w.~/+-]+")


async def usable_go(tool: Tool) -> Go:
    """The Go that will build the tool; one that is too old may fetch a newer one of itself, if it has leave to.

    Raises:
        InputError: There is no source to build from, or no Go that can.
    """
    if tool.module is None or not (tool.module / "go.mod").is_file():
        raise InputError(f"there is no source of {tool} here; run from a checkout, or put {tool.name} on PATH")
    required = required_go(tool.module)
    advice = f"install Go {required} or newer (https://go.dev/dl), or put {tool} on PATH"
    go = installed_go()
    if go is None:
        raise InputError(f"{tool} has to be built, and there is no Go on PATH; {advice}")
    if go.can_build(required):
        return go
    if go.toolchain != "local":
        said: list[str] = []
        command: list[str | Path] = [go.path, "env", "GOVERSION"]
        code = await run(command, cwd=tool.module, env=_environment(None), on_line=said.append)
        fetched = type(go)(go.path, plain_version(said[-1]) if said else "0", go.toolchain)
        if code == 0 and fetched.can_build(required):
            return fetched
    raise InputError(f"{tool} has to be built, and Go {go.version} is too old for it; {advice}")


async def build(
    tool: Tool, go: Go, stage: Staging, *, on_progress: Callable[[str, int | None, int | None], None]
) -> None:
    """Build the tool into ``stage.root/bin``, telling ``on_progress`` what is done and how many packages of how many.

    The total is an upper bound: Go doesn't name packages that it has compiled before.

    Raises:
        InputError: Go refuses; with the end of its own words.
    """
    module = tool.module
    assert module is not None  # noqa: S101 - usable_go has seen it
    environment = _environment(stage.scratch)
    words: deque[str] = deque(maxlen=_LOG_LINES)
    packages: set[str] = set()
    compiled = fetched = 0

    def listed(line: str) -> None:
        nonlocal fetched
        if _IMPORT_PATH.fullmatch(line):
            packages.add(line)
        elif line.startswith("go: downloading "):
            fetched += 1
            on_progress(f"fetching sources, {fetched} modules", None, None)
        else:
            words.append(line)

    def built(line: str) -> None:
        nonlocal compiled
        if line in packages:
            compiled += 1
            on_progress("compiling", compiled, len(packages))
        else:
            words.append(line)

    on_progress("looking at sources", None, None)
    command: list[str | Path] = [go.path, "list", "-deps", tool.package]
    code = await run(command, cwd=module, env=environment, on_line=listed)
    if code == 0:
        on_progress("compiling", 0, len(packages))
        output = stage.root / "bin" / tool.name
        command = [go.path, "build", "-v", *BUILD_FLAGS, tool.ldflags, "-o", output, tool.package]
        code = await run(command, cwd=module, env=environment, on_line=built)
    if code != 0:
        log = cache_directory() / f"{tool.name}-build.log"
        log.write_text("\n".join(words) + "\n", encoding="utf-8")
        tail = " | ".join([line.strip() for line in words if line.strip()][-_TAIL_LINES:])
        raise InputError(f"building {tool} failed: {tail or f'exit code {code}'}; all of it is in {log}")


def _environment(scratch: Path | None) -> Mapping[str, str]:
    # A go.work further up, or a shell set up for cross-compiling, isn't about our tools.
    environment = {name: value for name, value in os.environ.items() if name not in {"GOOS", "GOARCH"}}
    environment |= {"CGO_ENABLED": "0", "GOWORK": "off"}
    return environment | {"GOTMPDIR": str(scratch)} if scratch else environment
