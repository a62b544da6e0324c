"""What a file of suppressions may say."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Annotated

from pydantic import StringConstraints

from policies.registry import RULES
from policies.suppressions import Suppressions
from policies.view import Suppression
from posture.model.document import nearest
from posture.model.shape import Shape, parse

if TYPE_CHECKING:
    from posture.model.document import Document

__all__ = ["suppressions_from"]

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class _Item(Shape):
    rule: Text
    resource: Text
    reason: Text
    expires: date


class _File(Shape):
    suppressions: tuple[_Item, ...] = ()


def suppressions_from(document: Document) -> Suppressions:
    """The same of a document that is at hand.

    Raises:
        InputError: As for a file.
    """
    found: dict[tuple[str, str], Suppression] = {}
    for i, item in enumerate(parse(document, _File).suppressions):
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
