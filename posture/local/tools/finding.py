"""What is there already. Nothing is fetched or built here, and no program of the cache is run."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

from posture.local.tools.asking import compatible_version
from posture.local.tools.cache import cache_directory, platform_tag
from posture.local.tools.catalogue import TOOLS, InstalledTool, Origin, Tool
from posture.local.tools.golang import installed_go, required_go

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["BUILD_FLAGS", "built_directory", "find", "in_cache", "listing", "release_directory"]

BUILD_FLAGS = ("-trimpath", "-ldflags")


def find(name: str, *, tools: Mapping[str, Tool] = TOOLS) -> InstalledTool | None:
    """The program of that name that would be used: on PATH, released, built, packaged, in this order.

    Raises:
        KeyError: There is no such tool.
    """
    tool = tools[name]
    return _on_path(tool) or in_cache(tool) or _packaged(tool)


def listing(*, tools: Mapping[str, Tool] = TOOLS) -> tuple[tuple[str, str, str, str], ...]:
    """Rows of name, version, origin, path. A program that isn't there yet has its pinned version and ``-`` twice."""
    return tuple(
        (name, there.version, str(there.origin), str(there.path))
        if (there := find(name, tools=tools))
        else (name, tool.version, "-", "-")
        for name, tool in tools.items()
    )


def in_cache(tool: Tool) -> InstalledTool | None:
    """The program in our cache: the official release, or else the one built from these pins."""
    released = release_directory(tool) / "bin" / tool.name
    if _runs(released):
        return InstalledTool(tool.name, tool.version, Origin.RELEASE, released)
    built = _built(tool)
    return InstalledTool(tool.name, tool.version, Origin.BUILT, built) if built else None


def release_directory(tool: Tool) -> Path:
    """Where the official release goes: ``<cache>/consul-1.22.7-release-linux-amd64``."""
    return cache_directory() / f"{tool}-release-{platform_tag()}".replace(" ", "-")


def built_directory(tool: Tool, go_version: str) -> Path:
    """Where a build with that Go goes: ``<cache>/consul-1.22.7-<pins>-go1.26.8-linux-amd64``.

    ``<pins>`` is a hash of all that decides what is built: go.mod, go.sum, the package, the flags.
    """
    digest = hashlib.sha256()
    module = tool.module or Path()
    for part in (
        *((module / file).read_bytes() if (module / file).exists() else b"" for file in ("go.mod", "go.sum")),
        " ".join((*BUILD_FLAGS, tool.ldflags, tool.package)).encode(),
    ):
        digest.update(hashlib.sha256(part).digest())
    key = f"{digest.hexdigest()[:12]}-go{go_version}-{platform_tag()}"
    return cache_directory() / f"{tool.name}-{tool.version}-{key}"


def _built(tool: Tool) -> Path | None:
    if tool.module is None or not (tool.module / "go.mod").is_file():
        return None
    go = installed_go()
    if go and go.can_build(required_go(tool.module)):
        program = built_directory(tool, go.version) / "bin" / tool.name
        return program if _runs(program) else None
    # Go has gone, or fetched a newer one of itself to build: whichever it was built with will do.
    pattern = built_directory(tool, "*").name
    programs = [found / "bin" / tool.name for found in cache_directory().glob(pattern)]
    return next((program for program in sorted(programs, reverse=True) if _runs(program)), None)


def _on_path(tool: Tool) -> InstalledTool | None:
    ours = {cache_directory()}
    scripts = Path(sysconfig.get_path("scripts"))
    for directory in map(Path, os.get_exec_path()):
        # `posture env` puts our own cache on PATH; a package's script there is that package.
        if not directory.is_absolute() or ours & {*directory.parents} or (tool.distribution and directory == scripts):
            continue
        path = directory / tool.name
        if _runs(path) and (version := compatible_version(tool, path)):
            return InstalledTool(tool.name, version, Origin.PATH, path)
    return None


def _packaged(tool: Tool) -> InstalledTool | None:
    if tool.distribution is None:
        return None
    try:
        distribution = importlib.metadata.distribution(tool.distribution)
    except importlib.metadata.PackageNotFoundError:
        return None
    version = tool.compatible(distribution.version)
    for file in distribution.files or ():
        path = Path(str(distribution.locate_file(file)))
        if file.parts[-2:] == ("_bin", tool.name) and version and _runs(path):
            return InstalledTool(tool.name, version, Origin.PACKAGE, path)
    return None


def _runs(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)
