"""A fault that comes too late is tried at another moment."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from tests.faults.fault import Fault, Struck, TooLateError, try_fault

if TYPE_CHECKING:
    from random import Random

    from tests.faults.subject import Subject


def tried(late: int) -> tuple[list[float], Any]:
    """The first choice of each attempt, of which so many come too late, and the subject."""
    choices: list[float] = []

    def strike(_subject: Subject, random: Random) -> Struck:
        choices.append(random.random())
        if len(choices) <= late:
            raise TooLateError(f"posture {len(choices)}")
        return Struck("back")

    subject: Any = SimpleNamespace(posture="", heal=lambda _posture: 1.0, check=lambda _foreign: 7)
    assert try_fault(Fault("a fault", "is tried", strike), subject, 3) == (1.0, 7)
    return choices, subject


def test_another_moment_is_tried_under_the_posture_that_was_reached() -> None:
    choices, subject = tried(late=2)
    assert len(set(choices)) == 3
    assert subject.posture == "posture 2"
    assert choices == tried(late=2)[0], "a seed is the same each time"


def test_a_fault_that_never_strikes_is_no_success() -> None:
    with pytest.raises(AssertionError, match="too late"):
        tried(late=1000)
