"""Comma-separated values (RFC 4180, but lines end in a line feed)."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["csv_lines"]


def csv_lines(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A header and rows."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    return out.getvalue().rstrip("\n")
