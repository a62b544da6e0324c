"""A load over time as a picture: the requests a second that were offered, and those that were let through.

It is drawn in the colours of the page that holds it (`verification.css`).
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from posture.verify.findings import Moment

__all__ = ["load_svg"]

_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM = 380, 150, 44, 24, 20


def load_svg(moments: Sequence[Moment]) -> str:
    """A line for what was offered, dashed, over an area for what was let through; at least one moment."""
    seconds = moments[-1].second + _slice(moments)
    most = max(moment.offered for moment in moments) or 1
    offered = [(moment.second, moment.offered) for moment in moments]
    admitted = [(moment.second, moment.admitted) for moment in moments]
    words = f"in {seconds:.1f} s {_mean(offered)}/s offered, {_mean(admitted)}/s let through"

    def place(second: float, value: float) -> str:
        x = _LEFT + (_WIDTH - _LEFT) * second / seconds
        return f"{x:.1f},{_TOP + (_HEIGHT - _TOP - _BOTTOM) * (1 - value / most):.1f}"

    def steps(points: list[tuple[float, float]]) -> str:
        ends = [*(second for second, _ in points[1:]), seconds]
        return " ".join(
            f"{place(second, value)} {place(end, value)}" for (second, value), end in zip(points, ends, strict=True)
        )

    floor = _HEIGHT - _BOTTOM
    return (
        f'<svg class="load" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="{escape(words)}">\n'
        f'<polygon points="{place(0, 0)} {steps(admitted)} {place(seconds, 0)}" />\n'
        f'<polyline points="{steps(offered)}" />\n'
        f'<text x="{_LEFT - 6}" y="{_TOP + 5}" class="end">{most:.0f}/s</text>'
        f'<text x="{_LEFT - 6}" y="{floor}" class="end">0</text>'
        f'<text x="{_WIDTH}" y="{_HEIGHT - 4}" class="end">{seconds:.1f} s</text>'
        f'<text x="{_LEFT}" y="{_TOP - 10}">dashed: offered; filled: let through</text>\n'
        "</svg>"
    )


def _mean(points: Sequence[tuple[float, float]]) -> str:
    return f"{sum(value for _, value in points) / len(points):.0f}"


def _slice(moments: Sequence[Moment]) -> float:
    return moments[1].second - moments[0].second if len(moments) > 1 else 1.0
