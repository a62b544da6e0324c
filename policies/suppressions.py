"""Findings that a reviewer has agreed to live with for a while: `suppressions.yaml`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated

from pydantic import StringConstraints

from policies.registry import RULES
from policies.view import Suppression
from posture.model.document import Document, Shape, nearest, read_document

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["NONE", "Suppressions", "load_suppressions"]

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class _Item(Shape):
    rule: Text
    resource: Text
    reason: Text
    expires: date


class _File(Shape):
    suppressions: tuple[_Item, ...] = ()


@dataclass(frozen=True)
class Suppressions:
    """Those of a file, in its order."""

    all: tuple[Suppression, ...]

    def of(self, rule: str, resource: str) -> Suppression | None:
        """The one that holds for a finding today."""
        today = datetime.now(UTC).date()
        found = (each for each in self.all if (each.rule, each.resource) == (rule, resource))
        return next((each for each in found if each.expires >= today), None)


NONE = Suppressions(())


def load_suppressions(file: Path) -> Suppressions:
    """Read a file of suppressions.

    Raises:
        InputError: One without reason or date, of an unknown rule, or twice; by file and line.
    """
    return suppressions_from(read_document(file))


def suppressions_from(document: Document) -> Suppressions:
    """The same of a document that is at hand.

    Raises:
        InputError: As for a file.
    """
    found: dict[tuple[str, str], Suppression] = {}
    for i, item in enumerate(document.parse(_File).suppressions):
        place = ("suppressions", i)
        if item.rule not in RULES:
            document.fail(f"no rule '{item.rule}'; {nearest(item.rule, RULES)}", *place, "rule")
        if RULES[item.rule].always:
            document.fail(f"{item.rule} can't be suppressed; mend what it finds", *place, "rule")
        key = (item.rule, item.resource)
        if key in found:
            document.fail(f"{item.rule} on {item.resource} is suppressed twice; remove one", *place)
        where = f"{document.file.name}:{document.line(*place)}"
        found[key] = Suppression(item.rule, item.resource, item.reason, item.expires, where)
    return Suppressions(tuple(found.values()))
