"""What a verification finds: each thing that was tried, what should have come of it, and what did."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from posture.model.matrix import Cell

__all__ = ["Finding", "Moment", "ObservedCell", "Outcome", "Section", "Verification"]


class Outcome(StrEnum):
    """Whether something holds. What could not be measured never counts as holding, nor as failing."""

    HOLDS = "holds"
    FAILS = "fails"
    NOT_MEASURED = "not measured"


class Section(StrEnum):
    """What a finding is about, in the order in which they are shown."""

    CALLS = "calls"
    DRIFT = "drift"
    MTLS = "mtls"
    BYPASS = "bypass"
    LIMITS = "limits"
    OUTSIDE = "outside"


class Moment(NamedTuple):
    """A slice of a load: the second at which it began, and the requests a second that were sent and let through."""

    second: float
    offered: float
    admitted: float


@dataclass(frozen=True)
class Finding:
    """One thing that was tried beside the matrix; ``expected`` and ``observed`` are a few words each.

    ``figures`` says how often each answer came, where answers were counted; ``moments`` how that went over time.
    """

    section: Section
    name: str
    outcome: Outcome
    expected: str
    observed: str
    figures: Mapping[str, int] = field(default_factory=dict)
    moments: tuple[Moment, ...] = ()


@dataclass(frozen=True)
class ObservedCell:
    """A cell of the matrix with the mesh's own answer: an HTTP status, or an error's words where there was none.

    What could not be ``measured`` does not agree, nor does it count against the mesh; a finding says why.
    """

    cell: Cell
    observed: int | str
    agrees: bool
    measured: bool = True

    @property
    def outcome(self) -> Outcome:
        """Whether the mesh answers as the model does."""
        if not self.measured:
            return Outcome.NOT_MEASURED
        return Outcome.HOLDS if self.agrees else Outcome.FAILS


@dataclass(frozen=True)
class Verification:
    """All of one run. ``started`` is ISO 8601 in UTC, ``seconds`` how long it took."""

    stack: str
    posture: str
    started: str
    seconds: float
    cells: tuple[ObservedCell, ...]
    findings: tuple[Finding, ...]

    @property
    def holds(self) -> bool:
        """Whether the mesh does what the posture says, as far as it was measured."""
        outcomes = [*(cell.outcome for cell in self.cells), *(finding.outcome for finding in self.findings)]
        return Outcome.FAILS not in outcomes
