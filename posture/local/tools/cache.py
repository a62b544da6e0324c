"""The per-user cache of programs: whatever has its final name in it is whole.

A program is put together in a ``.partial`` directory and renamed into place; who does so holds the program's lock, so
any ``.partial`` that the holder finds was left by a process that was killed.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import platform
import shutil
import tempfile
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from posture.errors import InputError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

__all__ = ["Staging", "cache_directory", "locked", "make_cache", "platform_tag", "staging"]

_LOCK_POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Staging:
    """``root`` becomes the program's directory (the program goes to ``root/bin``); ``scratch`` is thrown away."""

    root: Path
    scratch: Path


def cache_directory() -> Path:
    """``$POSTURE_CACHE_DIR``, or ``consul-posture`` where the user's caches are. It may not be there yet."""
    chosen = os.environ.get("POSTURE_CACHE_DIR")
    return Path(chosen).absolute() if chosen else platformdirs.user_cache_path("consul-posture")


def make_cache() -> Path:
    """The cache, made if need be, for this user only.

    Raises:
        InputError: It can't be made or written to.
    """
    cache = cache_directory()
    try:
        cache.mkdir(mode=0o700, parents=True, exist_ok=True)
        (cache / ".lock").touch(mode=0o600)
    except OSError as error:
        raise InputError(
            f"can't write to the tools' cache, {cache}: {error.strerror}; set POSTURE_CACHE_DIR to a directory of yours"
        ) from error
    return cache


def platform_tag() -> str:
    """This machine in Go's words: ``linux-amd64``."""
    machine = platform.machine().lower()
    return f"{platform.system().lower()}-{ {'x86_64': 'amd64', 'aarch64': 'arm64'}.get(machine, machine) }"


@asynccontextmanager
async def locked(name: str, *, on_wait: Callable[[], None]) -> AsyncIterator[None]:
    """Hold the lock of one program among all processes of this user; the kernel frees it when its holder ends."""
    with (make_cache() / f".{name}.lock").open("w") as lock:
        waiting = False
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not waiting:
                    waiting = True
                    on_wait()
                await asyncio.sleep(_LOCK_POLL_SECONDS)
        yield


@contextmanager
def staging(name: str) -> Iterator[tuple[Staging, Callable[[Path], None]]]:
    """A place to put a program together in, and the function that puts it in place; call it holding the lock."""
    cache = make_cache()
    _sweep(cache, name)
    # A fresh name each time: a Go command that outlived its parent can't write into ours.
    partial = Path(tempfile.mkdtemp(prefix=f".{name}-", suffix=".partial", dir=cache))
    stage = Staging(partial / "root", partial / "scratch")
    (stage.root / "bin").mkdir(parents=True)
    stage.scratch.mkdir()

    def put(target: Path) -> None:
        for path in (stage.root / "bin").iterdir():
            _sync(path)  # or a power cut after the rename could leave a whole name with half a content
        shutil.rmtree(target, ignore_errors=True)  # there only if somebody took the program out of it
        stage.root.rename(target)
        _sync(cache)

    try:
        yield stage, put
    finally:
        _sweep(cache, name)


def _sweep(cache: Path, name: str) -> None:
    for leftover in cache.glob(f".{name}-*.partial"):
        shutil.rmtree(leftover, ignore_errors=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
