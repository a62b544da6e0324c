"""The mesh as a graph in Graphviz's language."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from posture.report.calls import State, calls

if TYPE_CHECKING:
    from posture.model.difference import Difference
    from posture.model.matrix import Matrix

__all__ = ["matrix_dot"]

_STYLES = {
    State.OPEN: 'color="#1a7f37"',
    State.DENIED: 'color="#cf222e", style=dashed',
    State.UNDECLARED: 'color="#9a6700", style=dotted',
    State.CLOSED: "color=black, style=dotted",
}


def matrix_dot(matrix: Matrix, difference: Difference | None = None) -> str:
    """Open calls green, denied declared calls red and dashed, open calls that nobody declares brown and dotted.

    With a difference, the calls that change are thick and say how; what closes and nobody declares is black and dotted.
    """
    name = f"{difference.old} to {difference.new}" if difference else matrix.posture
    lines = [f"digraph {json.dumps(name)} {{", "  rankdir=LR; node [shape=box, style=rounded];"]
    drawn = calls(matrix, difference)
    in_use = {name for call in drawn for name in (call.source, call.destination)}
    lines += [f"  {json.dumps(name)};" for name in matrix.sources if name in in_use or name != matrix.sources[-1]]
    for call in drawn:
        mark = f', penwidth=3, label="{call.change}"' if call.change else ""
        edge = f"{json.dumps(call.source)} -> {json.dumps(call.destination)}"
        lines.append(f"  {edge} [{_STYLES[call.state]}{mark}];")
    return "\n".join([*lines, "}"])
