"""The one error that bad input gets: a single line that says where, what, and what to do."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["InputError", "one_line", "visible"]

_LONGEST = 1000


def one_line(words: str) -> str:
    """Words that may quote anything, as one line of `visible` text; its middle goes if it is long."""
    half = _LONGEST // 2
    shown = words if len(words) <= _LONGEST else f"{words[:half]} … {words[-half:]}"
    return visible(re.sub(r"\s*\n\s*", " ", shown))


def visible(text: str) -> str:
    """The same text, but what isn't printable is written as in Python, line ends excepted.

    Control characters would move a terminal's cursor, and others turn the direction of writing.
    """
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() or each == "\n" else each.encode("unicode_escape").decode() for each in text
    )


class InputError(Exception):
    """Input that can't be used; nothing has been changed. The command line prints it and exits with 2.

    Args:
        message: What is wrong, then what to do, separated by a semicolon.
        file: The file that holds the input, if it came from one.
        line: The line in that file, counted from 1.
    """

    def __init__(self, message: str, *, file: Path | str | None = None, line: int | None = None) -> None:
        where = "".join(f"{part}:" for part in (file, line) if part is not None)
        super().__init__(one_line(f"{where} {message}" if where else message))
