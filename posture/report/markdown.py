"""The pieces of Markdown that tables need: a row, code whose bars don't end a cell, and text that is only text."""

from __future__ import annotations

__all__ = ["code", "plain", "row"]


def row(*cells: str) -> str:
    """A table's row."""
    return f"| {' | '.join(cells)} |"


def code(text: str) -> str:
    """Text in a fixed font, safe in a table."""
    return f"`{text.replace('|', chr(92) + '|').replace('`', chr(39))}`"


def plain(text: str) -> str:
    """Text that is nothing but text: no markup, no mention of anybody, no end of a table's cell."""
    words = " ".join(text.split())
    escaped = "".join(f"\\{letter}" if letter in r"\`*_[]|~#" else letter for letter in words)
    return escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("@", "@&#8203;")
