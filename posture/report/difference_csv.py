"""A difference for spreadsheets: one line a call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from posture.report.csv_lines import csv_lines

if TYPE_CHECKING:
    from posture.model.difference import Difference

__all__ = ["difference_csv"]

_HEAD = ("change", "source", "destination", "method", "path", "risk", "before", "rule")


def difference_csv(difference: Difference) -> str:
    """What opens, what may open, what closes, what changes its rule; edited fields are left out."""
    groups = (("opens", difference.opened), ("closes", difference.closed), ("changes", difference.changed))
    rows = [
        (word, cell.source, cell.destination, cell.method, cell.path, risk or "", before, cell.rule)
        for word, group in groups
        for cell, before, risk in group
    ]
    unshown = [("may open", each.source, each.destination, "", "", "", "", "") for each in difference.unshown]
    opened = len(difference.opened)
    return csv_lines(_HEAD, [*rows[:opened], *unshown, *rows[opened:]])
