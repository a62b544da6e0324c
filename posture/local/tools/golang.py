"""The Go command that is here, and whether it can build a module."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

__all__ = ["Go", "installed_go", "plain_version", "required_go"]

_SECONDS_TO_ANSWER = 5


@dataclass(frozen=True)
class Go:
    """A Go command: its version (``1.26.8``) and ``GOTOOLCHAIN``, which says if it may fetch a newer one of itself."""

    path: Path
    version: str
    toolchain: str

    def can_build(self, required: str) -> bool:
        """Whether its own version is at least the required one, without fetching another."""
        return _numbers(self.version) >= _numbers(required)


def installed_go() -> Go | None:
    """The Go on PATH, as it is: nothing is fetched. None if there is none that answers."""
    path = shutil.which("go")
    return _ask(Path(path).absolute(), os.environ.get("GOTOOLCHAIN")) if path else None


@cache
def _ask(path: Path, toolchain: str | None) -> Go | None:
    def answer(question: str, environment: dict[str, str]) -> str:
        return subprocess.run(
            [path, "env", question],
            env=environment,
            cwd=path.parent,  # away from any go.mod or go.work, which could make it look for another Go
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
            timeout=_SECONDS_TO_ANSWER,
        ).stdout.strip()

    try:
        version = answer("GOVERSION", {**os.environ, "GOTOOLCHAIN": "local"})
        # Go older than 1.21 has no GOTOOLCHAIN and says nothing.
        chosen = toolchain or answer("GOTOOLCHAIN", dict(os.environ)) or "local"
    except (OSError, subprocess.SubprocessError):
        return None
    return Go(path, plain_version(version), chosen)


def required_go(module: Path) -> str:
    """The ``go`` line of a module's go.mod, such as ``1.26`` or ``1.25.11``."""
    line = re.search(r"^go\s+(\S+)", (module / "go.mod").read_text(encoding="utf-8"), re.MULTILINE)
    return line[1] if line else "1.0"


def plain_version(answer: str) -> str:
    """``go1.26.8 X:experiment`` without what is around the number; ``0`` if there is no number."""
    found = re.search(r"\d+(\.\d+)+", answer)
    return found[0] if found else "0"


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))
