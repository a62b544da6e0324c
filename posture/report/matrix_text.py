"""A matrix for a terminal: callers across, requests down; for many callers only what is open and what is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.table import Table
from rich.text import Text

from posture.model.limit_words import limit_words

if TYPE_CHECKING:
    from rich.console import RenderableType

    from posture.model.matrix import Matrix, Row

__all__ = ["matrix_text"]

MOST_COLUMNS = 12
ALLOWED, DENIED, MISSING, SELF = Text("✓", "green"), Text("·", "dim"), Text("✗", "bold red"), Text("")


def matrix_text(matrix: Matrix) -> RenderableType:
    """The matrix as a grid, or as a list where a grid would be too wide; then what the signs mean, and the limits."""
    wide = len(matrix.sources) > MOST_COLUMNS
    default = f"default {matrix.access.default}"
    legend = Text.assemble(ALLOWED, " allowed  ", MISSING, " denied though declared  ", DENIED, f" denied  ({default})")
    limits = [f"{service}: {words}" for service, each in matrix.access.limits.items() for words in limit_words(each)]
    said = [Text(), Text("limits", "bold"), *map(Text, limits)] if limits else []
    return Group(_list(matrix) if wide else _grid(matrix), Text(), legend, *said)


def _grid(matrix: Matrix) -> Table:
    table = _table("destination", "request")
    for source in matrix.sources:
        table.add_column(source, justify="center")
    previous = ""
    for sample, row in matrix.rows.items():
        name = "" if sample.destination == previous else sample.destination
        previous = sample.destination
        request = Text.assemble(f"{sample.method:<6} {sample.path}")
        table.add_row(name, request, *(_sign(matrix, row, source) for source in matrix.sources))
    return table


def _sign(matrix: Matrix, row: Row, source: str) -> Text:
    if source == row.sample.destination:
        return SELF
    if row.of(source).allowed:
        return ALLOWED
    return MISSING if (source, row.sample) in matrix.declared else DENIED


def _list(matrix: Matrix) -> Table:
    table = _table("", "source", "destination", "request", "rule")
    for cell in matrix.cells():
        sample = cell[1:4]
        missing = not cell.allowed and (cell.source, sample) in matrix.declared
        if cell.allowed or missing:
            table.add_row(
                MISSING if missing else ALLOWED,
                cell.source,
                cell.destination,
                Text(f"{cell.method:<6} {cell.path}"),
                cell.rule,
            )
    return table


def _table(*headers: str) -> Table:
    return Table(*headers, box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
