"""The switches' part of docs/reliability.md."""

from __future__ import annotations

import os
import statistics
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from tests.conftest import Project
from tests.switching.slow_mesh import switching_mesh
from tests.switching.switches import Outcome
from tests.switching.walks import SHIPPED, SLOWLY, add_made, behind_a_closed_page, strict_to_closed, stricter_entrance

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.switching.switches import Switching

__all__ = ["switch_section"]

MADE, BEHIND, AT_ONCE = 20, 10, (0.0, 0.0)
HEAD = ("what", "switches", "requests", "wrong answers", "cut off", "time to settle, p50", "p99", "the page, longest")
INTRO = """\
## Switches under traffic

Every cell of the matrix is asked all the time, by clients of TLS 1.2 and 1.3 over connections that they keep, and the
page by a visitor of each, while `posture up` moves the mesh. A client whose connection was closed asks once more, as
any does. An answer is wrong if it lets in what neither posture allows,
refuses what both allow (a 5xx does), or changes more than once. What the page has of a service with several instances
may change more than once for a second and a half: each of them hears by itself. *Slowly*: each write is held back up to
0.8 s, so that every moment in between lasts. The time to settle is from the last write to the first question from which
on an instance answers a caller by the new posture only, an upper bound: ten are asked each second. The page, loaded
three times a second, is told apart: between two loads the connections behind it are idle, and such a one has an answer
by the old rules to give until its drain of a second ends ([ADR 6](adr/0006-a-connection-outlives-its-rules.md)). *Cut
off* are page loads that this end met: they failed, and the callers' Envoys have counted as many connections that were
ended under a request.
"""


def switch_section() -> str:
    """Move a mesh about; nothing where only one fault is asked for."""
    if "FAULT" in os.environ:
        return ""
    with tempfile.TemporaryDirectory() as folder, switching_mesh(Project.copied(Path(folder))) as mesh:
        made = ["baseline", *add_made(mesh, MADE)]
        rows = [
            _row("between shipped postures", *_walk(mesh, SHIPPED, AT_ONCE), settled=True),
            _row("the same, slowly", *_walk(mesh, SHIPPED, SLOWLY)),
            _row("between made postures, slowly", *_walk(mesh, made, SLOWLY)),
        ]
        behind = Outcome()
        for _ in range(BEHIND):
            behind.add(behind_a_closed_page(mesh))
        rows.append(_row("to a page, from what was behind it", BEHIND, behind))
        rows.append(_row("to a page that asks for a newer TLS, slowly", 1, stricter_entrance(mesh, ordered=True)))
        without = Outcome()
        for switch in (strict_to_closed, stricter_entrance):
            without.add(switch(mesh, ordered=False))
        rows.append(_row("with the order of writes switched off: these have to be wrong", 2, without, wanted=True))
    table = [f"| {' | '.join(cells)} |" for cells in (HEAD, ["---"] * len(HEAD), *rows)]
    return "\n".join([INTRO, *table, ""])


def _walk(mesh: Switching, names: Sequence[str], pace: tuple[float, float]) -> tuple[int, Outcome]:
    whole = Outcome()
    for number, (old, new) in enumerate(pairwise(names)):
        mesh.motion.set_pace(*pace, seed=number)
        whole.add(mesh.switch(old, new))
    return len(names) - 1, whole


def _row(what: str, switches: int, outcome: Outcome, *, settled: bool = False, wanted: bool = False) -> Sequence[str]:
    times = ["", "", ""]
    if settled:
        figures = statistics.quantiles(outcome.settled, n=100)
        times = [f"{seconds:.2f} s" for seconds in (figures[49], figures[98], max(outcome.page_settled))]
    as_wanted = bool(outcome.wrong) is wanted
    wrong = f"{len(outcome.wrong)}" if as_wanted else f"❌ {len(outcome.wrong)}: {'; '.join(outcome.wrong[:3])}"
    return (what, str(switches), f"{outcome.requests:,}", wrong, str(outcome.cut_off), *times)
