"""The calls between services that pictures draw: one a pair, summed up over its requests."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from posture.model.difference import Risk

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from posture.model.difference import Change, Difference
    from posture.model.matrix import Matrix

__all__ = ["Call", "State", "calls"]


class State(StrEnum):
    """How a call stands."""

    OPEN = "open"
    DENIED = "denied"
    UNDECLARED = "undeclared"
    CLOSED = "closed"


class Call(NamedTuple):
    """A caller and whom it calls; ``change`` is a mark, or nothing.

    A difference marks with "opens" and "closes", with "widens" and "narrows" what was and stays open in some way, and
    with "changes" what other rules answer the same.
    """

    source: str
    destination: str
    state: State
    change: str = ""


def calls(
    matrix: Matrix, difference: Difference | None = None, marked: Mapping[tuple[str, str], str] | None = None
) -> list[Call]:
    """The declared calls, denied if any of their requests is, and those that are open though nobody declares them.

    Marks are words by caller and destination; a marked call that would not be listed is closed, and so is one that
    the difference closes.
    """
    found: dict[tuple[str, str], State] = {}
    for source, sample in sorted(matrix.declared):
        answers = matrix.rows.get(sample)
        if answers:
            state = State.OPEN if answers.of(source).allowed else State.DENIED
            key = source, sample.destination
            found[key] = State.DENIED if found.get(key) is State.DENIED else state
    reached = _reached(matrix)
    for pair in reached:
        found.setdefault(pair, State.UNDECLARED)
    changes = _changes(difference, reached) if difference else {}
    for pair, word in changes.items():
        if word == "closes":
            found.setdefault(pair, State.CLOSED)
    for pair, word in (marked or {}).items():
        found.setdefault(pair, State.CLOSED)
        changes[pair] = word
    return [Call(*pair, state, changes.get(pair, "")) for pair, state in found.items()]


def _reached(matrix: Matrix) -> dict[tuple[str, str], None]:
    """Who may call whom in some way, in the order of the cells; where all others are denied, they are passed over."""
    number = {source: i for i, source in enumerate(matrix.sources)}
    found: dict[tuple[str, str], None] = {}
    for sample, row in matrix.rows.items():
        callers = matrix.sources if row.others.allowed else sorted(number.keys() & row.named, key=number.__getitem__)
        for source in callers:
            if source != sample.destination and row.of(source).allowed:
                found[source, sample.destination] = None
    return found


def _changes(difference: Difference, reached: Container[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """A word for each call that changes; of several, that for what opens counts before that for what closes."""
    changes = {_pair(each): "changes" for each in difference.changed}
    changes |= {_pair(each): "narrows" if _pair(each) in reached else "closes" for each in difference.closed}
    changes |= {_pair(each): "widens" for each in difference.opened}
    new = {Risk.NEW_CALLER, Risk.DEFAULT_CHANGED}
    return changes | {_pair(each): "opens" for each in difference.opened if each.risk in new}


def _pair(change: Change) -> tuple[str, str]:
    return change.cell.source, change.cell.destination
