"""What changes between services, as a Mermaid flowchart, which code hosts draw."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from posture.report.calls import State, calls

if TYPE_CHECKING:
    from posture.model.difference import Difference
    from posture.model.matrix import Matrix

__all__ = ["mesh_mermaid"]

_MOST = 60
"""Calls; beyond it nobody can read the picture."""
_ARROWS = {"opens": "==>", "closes": "-.-x", "changes": "-->"}
_COLOURS = {"opens": "#cf222e", "closes": "#1a7f37", "changes": "#9a6700"}
_GREY = "#8c959f"


def mesh_mermaid(matrix: Matrix, difference: Difference) -> str | None:
    """Calls that change, thick where they open, and those that stay open around them; None where none changes."""
    changed: dict[tuple[str, str], str] = {}
    stay = [change for change in difference.changed if change.cell.allowed]
    for word, group in (("changes", stay), ("closes", difference.closed), ("opens", difference.opened)):
        changed |= {(change.cell.source, change.cell.destination): word for change in group}
    if not changed or len(changed) > _MOST:
        return None
    open_calls = ((call.source, call.destination) for call in calls(matrix) if call.state is not State.DENIED)
    rest = [pair for pair in open_calls if pair not in changed][: _MOST - len(changed)]
    drawn = {**changed, **dict.fromkeys(rest, "")}
    nodes = dict.fromkeys(name for pair in drawn for name in pair)
    lines = ["flowchart LR", *(f'  {_id(name)}["{name}"]' for name in nodes)]
    styles: dict[str, list[int]] = {}
    for i, ((source, destination), change) in enumerate(drawn.items()):
        label = f"|{change}|" if change else ""
        lines.append(f"  {_id(source)} {_ARROWS.get(change, '-->')}{label} {_id(destination)}")
        styles.setdefault(_COLOURS.get(change, _GREY), []).append(i)
    lines += [f"  linkStyle {','.join(map(str, numbers))} stroke:{colour}" for colour, numbers in styles.items()]
    return "\n".join(lines)


def _id(name: str) -> str:
    """A name that Mermaid takes for a node; `end` alone is a word of its own."""
    return "n_" + re.sub(r"\W", "_", name)
