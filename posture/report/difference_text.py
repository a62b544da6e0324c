"""A difference for a terminal: what opens first, for that is what a reviewer must see."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from rich.console import Group
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import RenderableType

    from posture.model.difference import Change, Difference, Edit

__all__ = ["difference_text"]


def difference_text(difference: Difference) -> RenderableType:
    """Sections for calls that open, that close, rules that change with the same answers, limits, and edited fields."""
    if not difference:
        return Text(f"{difference.old} and {difference.new} are the same")
    parts: list[RenderableType] = [Text(f"{difference.old} → {difference.new}", "bold")]
    if not difference.opened and not difference.unshown:
        parts.append(Text("nothing opens", "green"))
    for words, style, sign, changes in (
        ("opens", "bold red", "+", difference.opened),
        ("closes", "bold green", "-", difference.closed),
        ("same answer, other rule", "bold", "~", difference.changed),
    ):
        if changes:
            parts += [Text(), Text(f"{words} ({len(changes)})", style), _changes(sign, changes)]
    if difference.unshown:
        calls = Text("\n".join(f"?  {each.source} → {each.destination}" for each in difference.unshown))
        words = f"may open, though no request that was tried shows it; see the fields ({len(difference.unshown)})"
        parts += [Text(), Text(words, "bold red"), calls]
    if difference.limits:
        limits = Text("\n".join(f"~  {each.words}" for each in difference.limits))
        parts += [Text(), Text(f"limits ({len(difference.limits)})", "bold"), limits]
    if difference.edits:
        parts += [Text(), Text(f"edited fields ({len(difference.edits)})", "bold"), _edits(difference.edits)]
    return Group(*parts)


def _changes(sign: str, changes: tuple[Change, ...]) -> Table:
    table = _table()
    for cell, before, risk in changes:
        call = f"{cell.source} → {cell.destination}"
        rules = f"{before} → {cell.rule}" if sign == "~" else cell.rule
        table.add_row(sign, call, Text(f"{cell.method:<6} {cell.path}"), Text(risk or "", "yellow"), Text(rules, "dim"))
    return table


def _edits(edits: tuple[Edit, ...]) -> Table:
    table = _table()
    for edit in edits:
        table.add_row("~", edit.entry, edit.field, Text(f"{_value(edit.before)} → {_value(edit.after)}"))
    return table


def _table() -> Table:
    return Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))


def _value(value: object) -> str:
    return "unset" if value is None else json.dumps(value)
