"""Findings that a reviewer has agreed to live with for a while: `suppressions.yaml`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from posture.model.document import read_document

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from policies.view import Suppression

__all__ = ["NONE", "Suppressions", "load_suppressions"]

_AS_SHIPPED: dict[str, list[object]] = {"suppressions": []}


@dataclass(frozen=True)
class Suppressions:
    """Those of a file, in its order."""

    all: tuple[Suppression, ...]

    def of(self, rule: str, resource: str) -> Suppression | None:
        """The one that holds for a finding today."""
        today = datetime.now(UTC).date()
        found = (each for each in self.all if (each.rule, each.resource) == (rule, resource))
        return next((each for each in found if each.expires >= today), None)

    def of_stack(self, name: str) -> Suppressions:
        """Those that hold for a stack; of what is in no stack, whose name is empty, those that hold for all."""
        return Suppressions(tuple(each for each in self.all if each.stack in {"", name}))


NONE = Suppressions(())


def load_suppressions(file: Path, stacks: Collection[str] | None = None) -> Suppressions:
    """Read a file of suppressions; ``stacks`` are the names that they may give, by default any.

    Raises:
        InputError: One without reason or date, of an unknown rule or stack, or twice; by file and line.
    """
    document = read_document(file)
    if document.data == _AS_SHIPPED:
        return NONE
    from policies.suppression_file import suppressions_from  # noqa: PLC0415 - loads pydantic, which delays a preview

    return suppressions_from(document, stacks)
