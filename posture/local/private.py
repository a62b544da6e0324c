"""Files for their owner's eyes: born 0600 and put in place by a rename, so that nobody sees one half-written."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

__all__ = ["make_private", "write_private"]


def make_private(folder: Path) -> None:
    """Make a folder (its parents too) that only its owner can enter, whatever the umask or its mode were."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)


def write_private(file: Path, text: str) -> None:
    """Write a file as 0600, replacing what was there at once."""
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")  # 0600 by itself
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink()
        raise
