"""Comma-separated values (RFC 4180, but lines end in a line feed), all of them text."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from posture.errors import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["csv_lines"]

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_lines(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A header and rows."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(head)
    writer.writerows([_text(cell) for cell in row] for row in rows)
    return out.getvalue().rstrip("\n")


def _text(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula (OWASP, CSV injection)."""
    return f"'{visible(cell)}" if cell.startswith(_FORMULA) else visible(cell)
