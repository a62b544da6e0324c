"""The mesh as a picture: one self-contained SVG that follows the reader's light or dark setting.

Its style names only what is inside ``.mesh``, so that a page can hold the picture as it is.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from posture.report.calls import State, calls
from posture.report.layers import layers

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from posture.model.difference import Difference
    from posture.model.matrix import Matrix
    from posture.report.calls import Call

__all__ = ["mesh_svg"]

NODE_WIDTH, NODE_HEIGHT, ACROSS, DOWN, MARGIN, LEGEND, KEY = 132, 40, 220, 84, 28, 56, 210
_STYLE = """
.mesh{--ink:#1f2328;--paper:#fff;--node:#f6f8fa;--line:#d0d7de;--open:#1a7f37;--denied:#cf222e;--undeclared:#9a6700}
@media screen and (prefers-color-scheme:dark){.mesh{--ink:#e6edf3;--paper:#0d1117;--node:#161b22;--line:#484f58;
--open:#3fb950;--denied:#f85149;--undeclared:#d29922}}
.mesh .paper{fill:var(--paper)}.mesh .node{fill:var(--node);stroke:var(--line)}
.mesh text{fill:var(--ink);font:14px system-ui,sans-serif;text-anchor:middle}.mesh .small{font-size:12px;
paint-order:stroke;stroke:var(--paper);stroke-width:4px}
.mesh .left{text-anchor:start}.mesh path{fill:none;stroke-width:2}.mesh .marked{stroke-width:4}
.mesh .open{stroke:var(--open)}.mesh .denied{stroke:var(--denied);stroke-dasharray:7 5}
.mesh .undeclared{stroke:var(--undeclared);stroke-dasharray:2 4}
.mesh .head.open{fill:var(--open)}.mesh .head.denied{fill:var(--denied)}.mesh .head.undeclared{fill:var(--undeclared)}
.mesh .closed{stroke:var(--ink);stroke-dasharray:1 6}.mesh .head.closed{fill:var(--ink)}
.mesh .head{stroke:none!important}
"""
_LEGEND = {
    State.OPEN: "open",
    State.DENIED: "denied though declared",
    State.UNDECLARED: "open, not declared",
    State.CLOSED: "closed",
}


def mesh_svg(
    matrix: Matrix, difference: Difference | None = None, marked: Mapping[tuple[str, str], str] | None = None
) -> str:
    """The services and their calls: open green, denied declared red and dashed, open undeclared brown and dotted.

    With a difference, the calls that change are thick and say how; so are those of ``marked``, by caller and
    destination, with the words given there, and a closed call that was not in the picture is, finely dotted.
    """
    drawn = calls(matrix, difference, marked)
    in_use = {name for call in drawn for name in (call.source, call.destination)}
    nodes = [name for name in matrix.sources if name in in_use or name != matrix.sources[-1]]
    columns = layers(nodes, [(call.source, call.destination) for call in drawn])
    tallest = max(map(len, columns))
    states = [state for state in State if state is not State.CLOSED or any(call.state is state for call in drawn)]
    width = 2 * MARGIN + max(ACROSS * (len(columns) - 1) + NODE_WIDTH, KEY * len(states))
    height = 2 * MARGIN + DOWN * tallest + LEGEND
    places = {
        name: (MARGIN + ACROSS * x, MARGIN + DOWN * tallest * (y + 0.5) / len(column) - NODE_HEIGHT / 2)
        for x, column in enumerate(columns)
        for y, name in enumerate(column)
    }
    changing = f", and what changes from {difference.old}" if difference else ""
    title = f"Who may call whom under {matrix.posture}{changing}"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" class="mesh" viewBox="0 0 {width} {height:g}" role="img">',
            f"<title>{escape(title)}</title><style>{_STYLE}</style>",
            '<rect class="paper" width="100%" height="100%"/>',
            *_heads(states),
            *(_edge(call, *places[call.source], *places[call.destination]) for call in drawn),
            *(_node(name, *place) for name, place in places.items()),
            *_legend(states, height - LEGEND / 2),
            "</svg>",
        ]
    )


def _heads(states: Iterable[State]) -> list[str]:
    """An arrow head for each state, because a head can't take the colour of its line everywhere."""
    return [
        f'<marker id="{state}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="9" markerHeight="9" '
        f'markerUnits="userSpaceOnUse" orient="auto"><path class="head {state}" d="M0 0L10 5L0 10z"/></marker>'
        for state in states
    ]


def _edge(call: Call, from_x: float, from_y: float, to_x: float, to_y: float) -> str:
    start, end = from_y + NODE_HEIGHT / 2, to_y + NODE_HEIGHT / 2
    if to_x > from_x:
        left, right, bend = from_x + NODE_WIDTH, to_x, (to_x - from_x) / 3
        curve = f"M{left:g} {start:g}C{left + bend:g} {start:g} {right - bend:g} {end:g} {right:g} {end:g}"
        label = (left + right) / 2, (start + end) / 2
    else:  # backwards or down a column: around the right side
        left, right = from_x + NODE_WIDTH, to_x + NODE_WIDTH
        out = max(left, right) + 46
        curve = f"M{left:g} {start:g}C{out:g} {start:g} {out:g} {end:g} {right:g} {end:g}"
        label = out - 12, (start + end) / 2
    words = f"{call.source} to {call.destination}: {_LEGEND[call.state]}" + (f", {call.change}" if call.change else "")
    marked = " marked" if call.change else ""
    line = f'<path class="{call.state}{marked}" d="{curve}" marker-end="url(#{call.state})"/>'
    mark = (
        f'<text class="small" x="{label[0]:g}" y="{label[1] - 6:g}">{escape(call.change)}</text>' if call.change else ""
    )
    return f"<g><title>{escape(words)}</title>{line}{mark}</g>"


def _node(name: str, x: float, y: float) -> str:
    """A box; a long name is drawn closer together rather than out of its box."""
    longest = 16
    squeeze = f' textLength="{NODE_WIDTH - 12}" lengthAdjust="spacingAndGlyphs"' if len(name) > longest else ""
    box = f'<rect class="node" x="{x:g}" y="{y:g}" width="{NODE_WIDTH}" height="{NODE_HEIGHT}" rx="8"/>'
    middle = x + NODE_WIDTH / 2, y + NODE_HEIGHT / 2 + 5
    return f'<g>{box}<text x="{middle[0]:g}" y="{middle[1]:g}"{squeeze}>{escape(name)}</text></g>'


def _legend(states: Iterable[State], y: float) -> list[str]:
    return [
        f'<g><path class="{state}" d="M{MARGIN + KEY * i} {y:g}h32" marker-end="url(#{state})"/>'
        f'<text class="small left" x="{MARGIN + KEY * i + 40}" y="{y + 4:g}">{_LEGEND[state]}</text></g>'
        for i, state in enumerate(states)
    ]
