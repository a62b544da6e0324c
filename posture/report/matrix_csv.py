"""A matrix for spreadsheets: one line a cell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from posture.model.matrix import Cell
from posture.report.csv_lines import csv_lines

if TYPE_CHECKING:
    from posture.model.matrix import Matrix

__all__ = ["matrix_csv"]


def matrix_csv(matrix: Matrix) -> str:
    """The fields of a cell, `allowed` as true or false."""
    rows = ((*cell[:4], "true" if cell.allowed else "false", cell.rule) for cell in matrix.cells())
    return csv_lines(Cell._fields, rows)
