"""The switches' part of docs/reliability.md."""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from tests.conftest import Project
from tests.switching.slow_mesh import switching_mesh
from tests.switching.switches import Outcome
from tests.switching.walks import (
    SHIPPED,
    SLOWLY,
    add_made,
    behind_a_closed_page,
    handed_on,
    strict_to_closed,
    stricter_entrance,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.switching.switches import Switching

__all__ = ["switch_section"]

MADE, BEHIND, AT_ONCE = 20, 10, (0.0, 0.0)
HEAD = (
    "what",
    "switches",
    "requests",
    "wrong answers",
    "cut off",
    "time to settle, p50",
    "p99",
    "the page, longest",
    "once more",
)
INTRO = """\
## Switches under traffic

Every cell of the matrix is asked all the time, by clients of TLS 1.2 and 1.3 over connections that they keep, and the
page by a visitor of each, while `posture up` moves the mesh. A client whose connection was closed asks once more, as
any does. An answer is wrong if it lets in what neither posture allows, refuses what both allow (a 5xx does), or
changes more than once. What the page has of a service with several instances may change more than once for a second
and a half: each of them hears by itself. *Slowly*: each write is held back up to 0.8 s, so that every moment in
between lasts. The time to settle is from the last write to the first question from which on an instance answers a
caller by the new posture only, an upper bound: each caller asks an instance five questions a second whose answers
change. The page, loaded three times a second, is told apart: between two loads the connections behind it are idle,
and such a one has an answer by the old rules to give until its drain of a second ends
([ADR 6](adr/0006-a-connection-outlives-its-rules.md)). *Cut off* are page loads that this end met: they failed, and the
Envoys have counted as many connections that were ended under a request, the callers' between services and the gateway
its visitors'.
"""


@dataclass(frozen=True)
class Walk:
    """A row: its name, what is done, and how, which answers how many switches it made and what was seen meanwhile.

    ``settled`` are those whose times say something, ``wrong`` those that have to have wrong answers.
    """

    name: str
    what: str
    go: Callable[[Switching], tuple[int, Outcome]]
    settled: bool = False
    wrong: bool = False


def _through(names: Sequence[str], pace: tuple[float, float], mesh: Switching) -> tuple[int, Outcome]:
    whole = Outcome()
    for number, (old, new) in enumerate(pairwise(names)):
        mesh.motion.set_pace(*pace, seed=number)
        whole.add(mesh.switch(old, new))
    return len(names) - 1, whole


def _through_made(mesh: Switching) -> tuple[int, Outcome]:
    return _through(["baseline", *add_made(mesh, MADE)], SLOWLY, mesh)


def _each(*switches: Callable[[Switching], Outcome]) -> Callable[[Switching], tuple[int, Outcome]]:
    def go(mesh: Switching) -> tuple[int, Outcome]:
        whole = Outcome()
        for switch in switches:
            whole.add(switch(mesh))
        return len(switches), whole

    return go


WALKS = (
    Walk("shipped", "between shipped postures", partial(_through, SHIPPED, AT_ONCE), settled=True),
    Walk("shipped-slowly", "between shipped postures, slowly", partial(_through, SHIPPED, SLOWLY)),
    Walk("made", "between made postures, slowly", _through_made),
    Walk("opened-page", "to a page, from what was behind it", _each(*[behind_a_closed_page] * BEHIND)),
    Walk("handed-on", "from one caller to another who shows it, slowly", _each(handed_on)),
    Walk(
        "newer-tls",
        "across a change of the least version of TLS, slowly",
        _each(partial(strict_to_closed, ordered=True), partial(stricter_entrance, ordered=True)),
    ),
    Walk(
        "unordered",
        "the last row with the order of writes switched off: these have to be wrong",
        _each(partial(strict_to_closed, ordered=False), partial(stricter_entrance, ordered=False)),
        wrong=True,
    ),
)


def switch_section() -> str:
    """Move a mesh about; all walks, or the one that `SWITCH` names; nothing where only one fault is asked for."""
    wanted = os.environ.get("SWITCH")
    if wanted and wanted not in {each.name for each in WALKS}:
        sys.exit(f"no walk '{wanted}'; there are {', '.join(each.name for each in WALKS)}")
    if "FAULT" in os.environ:
        return ""
    with tempfile.TemporaryDirectory() as folder, switching_mesh(Project.copied(Path(folder))) as mesh:
        rows = [_row(walk, *walk.go(mesh)) for walk in WALKS if wanted in {None, "", walk.name}]
    table = [f"| {' | '.join(cells)} |" for cells in (HEAD, ["---"] * len(HEAD), *rows)]
    return "\n".join([INTRO, *table, ""])


def _row(walk: Walk, switches: int, outcome: Outcome) -> Sequence[str]:
    times = ["", "", ""]
    if walk.settled:
        figures = statistics.quantiles(outcome.settled, n=100)
        times = [f"{seconds:.2f} s" for seconds in (figures[49], figures[98], max(outcome.page_settled))]
    as_wanted = bool(outcome.wrong) is walk.wrong
    wrong = f"{len(outcome.wrong)}" if as_wanted else f"❌ {len(outcome.wrong)}: {'; '.join(outcome.wrong[:3])}"
    again = f"`make faults SWITCH={walk.name}`"
    return (walk.what, str(switches), f"{outcome.requests:,}", wrong, str(outcome.cut_off), *times, again)
