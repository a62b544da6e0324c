"""Ask a program on PATH for its version, once: Pulumi alone takes 0.2 s to say it."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from posture.local.tools.cache import cache_directory

if TYPE_CHECKING:
    from posture.local.tools.catalogue import Tool

__all__ = ["compatible_version"]

_SECONDS_TO_ANSWER = 5
_SMALLEST_PROGRAM = 1 << 20  # bytes


def compatible_version(tool: Tool, path: Path) -> str | None:
    """The version of the program at ``path``, or None if it isn't one that will do (or doesn't say in 5 s).

    An answer is remembered in the cache for as long as the file is the same. That of a script isn't: it may be a
    version manager's, which decides by directory.
    """
    real = path.resolve()
    about = real.stat()
    lasting = real.name == tool.name and about.st_size >= _SMALLEST_PROGRAM
    identity = f"{real} {about.st_ino} {about.st_size} {about.st_mtime_ns}"
    notes = _read() if lasting else {}
    answer = notes.get(identity)
    if answer is None:
        answer = _ask(tool, path)
        if answer is None:
            return None
        if lasting:
            _write({**{k: v for k, v in notes.items() if not k.startswith(f"{real} ")}, identity: answer})
    return tool.compatible(answer.replace(str(path), ""))  # Envoy repeats its path, which may hold other numbers


def _ask(tool: Tool, path: Path) -> str | None:
    try:
        return subprocess.run(
            [path, *tool.version_arguments],
            env={**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "true"},  # or `pulumi version` goes to the internet
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            errors="replace",
            check=False,
            timeout=_SECONDS_TO_ANSWER,
        ).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return None


def _notes() -> Path:
    return cache_directory() / "versions.json"


def _read() -> dict[str, str]:
    try:
        notes = json.loads(_notes().read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return {str(k): str(v) for k, v in notes.items()} if isinstance(notes, dict) else {}


def _write(notes: dict[str, str]) -> None:
    with suppress(OSError):  # a cache that can't be written to only costs time
        _notes().parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=_notes().parent, prefix=".versions-", delete=False
        ) as file:
            json.dump(notes, file)
        Path(file.name).replace(_notes())
