"""The pieces of Markdown that tables need: a row, code whose bars don't end a cell, and text that is only text."""

from __future__ import annotations

import re

__all__ = ["code", "plain", "row"]


def row(*cells: str) -> str:
    """A table's row."""
    return f"| {' | '.join(cells)} |"


def code(text: str) -> str:
    r"""Text in a fixed font, safe in a table.

    What would end a cell or the code in it is escaped in HTML's way: readers of Markdown differ on `\|` in code.
    """
    return f"`{text}`" if re.fullmatch(r"[^|`\\\s]([^|`\\\n\r]*[^|`\\\s])?", text) else f"<code>{plain(text)}</code>"


def plain(text: str) -> str:
    """Text that is nothing but text: no markup, no mention of anybody, no end of a table's cell."""
    words = " ".join(text.split())
    escaped = "".join(f"\\{letter}" if letter in r"\`*_[]|~#" else letter for letter in words)
    return escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("@", "@&#8203;")
