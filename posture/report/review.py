"""What is said of a change in a review: one `Review` for each stack, or the reason why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from posture.model.edit_words import Said, of_a_limit, said

if TYPE_CHECKING:
    from collections.abc import Mapping

    from policies.judging import Finding as Judgement
    from posture.model.difference import Difference, Edit
    from posture.model.matrix import Matrix
    from posture.verify.findings import Finding

__all__ = ["DEPLOYED", "Failure", "Review"]

DEPLOYED = "what is deployed"


@dataclass(frozen=True)
class Failure:
    """A stack that can't be previewed."""

    stack: str
    words: str


@dataclass(frozen=True)
class Review:
    """What a change means for a stack.

    Args:
        stack: The stack.
        against: The revision, or `DEPLOYED`.
        difference: What changes from the posture there to the one here.
        matrix: The posture here.
        found: What policies find, without what is suppressed.
        suppressed: What is.
        drift: What others have made of the stack's entries since its last `up`, or put beside them.
        counts: Resources by what the engine would do to them.
        diff: The engine's own words.
    """

    stack: str
    against: str
    difference: Difference
    matrix: Matrix
    found: tuple[Judgement, ...]
    suppressed: tuple[Judgement, ...]
    drift: tuple[Finding, ...]
    counts: Mapping[str, int]
    diff: str

    @property
    def said(self) -> list[Said]:
        """Changes of limits, TLS and paths in words, those that loosen first."""
        limits = [Said(each.words, each.loosens) for each in self.difference.limits]
        others = [each for edit in self.difference.edits if (each := said(edit))]
        return sorted([*limits, *others], key=lambda each: not each.loosens)

    @property
    def unsaid(self) -> list[Edit]:
        """The edits that are in none of those words."""
        limited = {f"service-defaults/{each.service}" for each in self.difference.limits}
        return [
            edit
            for edit in self.difference.edits
            if said(edit) is None and not (edit.entry in limited and of_a_limit(edit))
        ]

    @property
    def widens(self) -> bool:
        """Whether a call opens or may open, or a protection is loosened."""
        opens = self.difference.opened or self.difference.unshown
        return bool(opens) or any(each.loosens for each in self.said)

    @property
    def refused(self) -> int:
        """How many findings stop it."""
        return sum(each.refuses for each in self.found)

    @property
    def changes(self) -> bool:
        """Whether there is anything to say; against a revision, what isn't deployed yet says nothing of the change."""
        moved = any(count for what, count in self.counts.items() if what != "same")
        return bool(self.difference or self.refused or self.drift or (moved and self.against == DEPLOYED))
