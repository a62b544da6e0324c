"""The one error that bad input gets: a single line that says where, what, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["InputError"]


class InputError(Exception):
    """Input that can't be used; nothing has been changed. The command line prints it and exits with 2.

    Args:
        message: What is wrong, then what to do, separated by a semicolon.
        file: The file that holds the input, if it came from one.
        line: The line in that file, counted from 1.
    """

    def __init__(self, message: str, *, file: Path | str | None = None, line: int | None = None) -> None:
        where = "".join(f"{part}:" for part in (file, line) if part is not None)
        super().__init__(f"{where} {message}" if where else message)
