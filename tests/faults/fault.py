"""A fault, tried with a seed: it strikes, one command heals it, and the mesh is asked whether it has."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.subject import Subject

HEALS = "`posture up`"
MOMENTS = 20


class Struck(NamedTuple):
    """What is left by a fault that struck.

    Args:
        posture: The one that the next `up` is to move to.
        foreign: Entries that are not ours to delete, as `KIND/NAME`.
        clean: Takes away what the fault itself has brought, once the mesh was seen to have healed.
    """

    posture: str
    foreign: tuple[str, ...] = ()
    clean: Callable[[], object] = lambda: None


class TooLateError(Exception):
    """The `up` that was to be struck had ended, and the mesh is under its posture."""

    def __init__(self, posture: str) -> None:
        super().__init__(posture)
        self.posture = posture


@dataclass(frozen=True)
class Fault:
    """Something that can happen.

    Args:
        name: Of the fault.
        what: Is done, in a few words.
        strike: Does it to a sound mesh, and checks what is said meanwhile; or raises `TooLateError`.
    """

    name: str
    what: str
    strike: Callable[[Subject, Random], Struck]


class Healed(NamedTuple):
    """How it went: seconds that the healing command took, and requests asked to see that all is as wanted."""

    seconds: float
    asked: int


def try_fault(fault: Fault, subject: Subject, seed: int) -> Healed:
    """Strike, at another moment where that was too late, heal, and see.

    Raises:
        AssertionError: It did not end as wanted.
    """
    struck = _strike(fault, subject, seed)
    seconds = subject.heal(struck.posture)
    asked = subject.check(struck.foreign)
    struck.clean()
    return Healed(seconds, asked)


def _strike(fault: Fault, subject: Subject, seed: int) -> Struck:
    for attempt in range(MOMENTS):
        random = Random(f"{fault.name} {seed} {attempt}")  # noqa: S311 - a test's choice
        try:
            return fault.strike(subject, random)
        except TooLateError as late:
            subject.posture = late.posture
    raise AssertionError(f"it came too late {MOMENTS} times")
