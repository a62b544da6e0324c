"""A difference for spreadsheets: one line a call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from posture.report.csv_lines import csv_lines

if TYPE_CHECKING:
    from posture.model.difference import Difference

__all__ = ["difference_csv"]

_HEAD = ("change", "source", "destination", "method", "path", "risk", "before", "rule")


def difference_csv(difference: Difference) -> str:
    """What opens, then what closes, then what changes its rule; edited fields are of another shape and left out."""
    groups = (("opens", difference.opened), ("closes", difference.closed), ("changes", difference.changed))
    return csv_lines(
        _HEAD,
        (
            (word, cell.source, cell.destination, cell.method, cell.path, risk or "", before, cell.rule)
            for word, group in groups
            for cell, before, risk in group
        ),
    )
