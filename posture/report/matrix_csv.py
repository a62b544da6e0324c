"""A matrix for spreadsheets: one line a cell."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from posture.model.matrix import Cell

if TYPE_CHECKING:
    from posture.model.matrix import Matrix

__all__ = ["matrix_csv"]


def matrix_csv(matrix: Matrix) -> str:
    """A header and a line a cell, `allowed` as true or false (RFC 4180, but lines end in a line feed)."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(Cell._fields)
    writer.writerows(cell._replace(allowed=str(cell.allowed).lower()) for cell in matrix.cells())  # type: ignore[arg-type]  # text from here on
    return out.getvalue().rstrip("\n")
