"""The two pieces of Markdown that tables need: a row, and code whose bars don't end a cell."""

from __future__ import annotations

__all__ = ["code", "row"]


def row(*cells: str) -> str:
    """A table's row."""
    return f"| {' | '.join(cells)} |"


def code(text: str) -> str:
    """Text in a fixed font, safe in a table."""
    return f"`{text.replace('|', chr(92) + '|').replace('`', chr(39))}`"
