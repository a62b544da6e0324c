"""The calls between services that pictures draw: one a pair, summed up over its requests."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from posture.model.difference import Difference
    from posture.model.matrix import Matrix

__all__ = ["Call", "State", "calls"]


class State(StrEnum):
    """How a call stands."""

    OPEN = "open"
    DENIED = "denied"
    UNDECLARED = "undeclared"
    CLOSED = "closed"


class Call(NamedTuple):
    """A caller and whom it calls; ``change`` is "opens", "closes", "changes", another mark, or nothing."""

    source: str
    destination: str
    state: State
    change: str = ""


def calls(
    matrix: Matrix, difference: Difference | None = None, marked: Mapping[tuple[str, str], str] | None = None
) -> list[Call]:
    """The declared calls, denied if any of their requests is, and those that are open though nobody declares them.

    Marks are words by caller and destination; a marked call that would not be listed is closed.
    """
    found: dict[tuple[str, str], State] = {}
    for source, sample in sorted(matrix.declared):
        answers = matrix.rows.get(sample)
        if answers:
            state = State.OPEN if answers.of(source).allowed else State.DENIED
            key = source, sample.destination
            found[key] = State.DENIED if found.get(key) is State.DENIED else state
    for cell in matrix.cells():
        if cell.allowed:
            found.setdefault((cell.source, cell.destination), State.UNDECLARED)
    changes: dict[tuple[str, str], str] = {}
    if difference:
        kinds = (("changes", difference.changed), ("closes", difference.closed), ("opens", difference.opened))
        for word, group in kinds:
            for change in group:
                changes[change.cell.source, change.cell.destination] = word
    for pair, word in (marked or {}).items():
        found.setdefault(pair, State.CLOSED)
        changes[pair] = word
    return [Call(*pair, state, changes.get(pair, "")) for pair, state in found.items()]
