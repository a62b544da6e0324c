"""While a mesh is moved, nobody gets what neither posture allows, and nobody is refused what both allow."""

from __future__ import annotations

from itertools import pairwise
from random import Random
from typing import TYPE_CHECKING

import pytest

from tests.postures import made_posture
from tests.switching.switches import every_ordered_pair

if TYPE_CHECKING:
    from tests.switching.switches import Switching

pytestmark = [pytest.mark.mesh, pytest.mark.engine]

WALK = every_ordered_pair(("baseline", "deny-all", "layered-allow", "rate-limited"))
SLOWLY = (0.0, 0.8)
MADE = 4

WITHOUT_ORDER = """
import posture.program.security
from posture.model.order import writes

posture.program.security.writes = lambda _held, wanted: writes((), wanted)
"""
"""Put before the program, it has a mesh changed in the order in which a new one is made."""


@pytest.mark.parametrize("step", range(len(WALK) - 1))
def test_no_answer_is_wrong_on_the_way_between_shipped_postures(mesh: Switching, step: int) -> None:
    old, new = WALK[step : step + 2]
    mesh.motion.set_pace(*SLOWLY, seed=step)
    outcome = mesh.switch(old, new)
    assert outcome.wrong == []
    assert outcome.requests > 1000
    assert bool(outcome.changed) == ({old, new} != {"layered-allow", "rate-limited"}), "these two differ by limits"


def test_no_answer_is_wrong_on_the_way_between_made_postures(mesh: Switching) -> None:
    chance = Random(20)  # noqa: S311 - the same postures in each run
    names = [f"made-{number}" for number in range(MADE)]
    for name in names:
        mesh.add(name, made_posture(chance, mesh.application))
    for number, (old, new) in enumerate(pairwise([WALK[-1], *names])):
        mesh.motion.set_pace(*SLOWLY, seed=number)
        assert mesh.switch(old, new).wrong == []


def test_without_the_order_a_caller_gets_what_neither_allows(mesh: Switching) -> None:
    grant = {"name": "load", "from": "fortio", "to": "details"}
    mesh.add("strict", {"description": "made", "grants": [grant], "mesh": {"tlsMinVersion": "TLSv1_3"}})
    mesh.add("closed", {"description": "made"})
    program = mesh.project.folder / "__main__.py"
    kept = program.read_text()
    for ordered in (True, False):
        mesh.motion.set_pace(0, 0, seed=0)
        mesh.up("strict")
        mesh.motion.set_pace(0.8, 0.9, seed=0)
        program.write_text(kept if ordered else WITHOUT_ORDER + kept)
        wrong = mesh.switch("strict", "closed").wrong
        program.write_text(kept)
        if ordered:
            assert wrong == []
        else:
            assert wrong
            assert all("fortio" in each and "TLSv1_2" in each for each in wrong), wrong
