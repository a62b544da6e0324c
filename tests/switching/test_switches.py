"""While a mesh is moved, nobody gets what neither posture allows, and nobody is refused what both allow."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

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
    from tests.switching.switches import Switching

pytestmark = [pytest.mark.mesh, pytest.mark.engine]

MADE = 4


@pytest.mark.parametrize("step", range(len(SHIPPED) - 1))
def test_no_answer_is_wrong_on_the_way_between_shipped_postures(mesh: Switching, step: int) -> None:
    old, new = SHIPPED[step : step + 2]
    mesh.motion.set_pace(*SLOWLY, seed=step)
    outcome = mesh.switch(old, new)
    assert outcome.wrong == []
    assert outcome.requests > 1000
    assert bool(outcome.changed) == ({old, new} != {"layered-allow", "rate-limited"}), "these two differ by limits"


def test_no_answer_is_wrong_on_the_way_between_made_postures(mesh: Switching) -> None:
    made = add_made(mesh, MADE)
    for number, (old, new) in enumerate(pairwise([SHIPPED[-1], *made])):
        mesh.motion.set_pace(*SLOWLY, seed=number)
        assert mesh.switch(old, new).wrong == []


def test_a_page_that_opens_shows_nothing_that_has_just_closed(mesh: Switching) -> None:
    for _ in range(3):
        outcome = behind_a_closed_page(mesh)
        assert outcome.wrong == []
        assert outcome.changed


def test_what_changes_hands_is_not_shown_by_way_of_another(mesh: Switching) -> None:
    outcome = handed_on(mesh)
    assert outcome.wrong == []
    assert outcome.changed


def test_without_the_order_a_caller_gets_what_neither_allows(mesh: Switching) -> None:
    assert strict_to_closed(mesh, ordered=True).wrong == []
    wrong = strict_to_closed(mesh, ordered=False).wrong
    assert wrong
    assert all("fortio" in each and "TLSv1_2" in each for each in wrong), wrong


def test_without_the_order_visitors_get_a_page_that_neither_shows_them(mesh: Switching) -> None:
    outcome = stricter_entrance(mesh, ordered=True)
    assert outcome.wrong == []
    assert outcome.changed
    wrong = stricter_entrance(mesh, ordered=False).wrong
    assert wrong
    assert all("visitor" in each and "TLSv1_2" in each for each in wrong), wrong
