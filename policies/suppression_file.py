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
    from collections.abc import Collection

    from posture.model.document import Document

__all__ = ["suppressions_from"]

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class _Item(Shape):
    rule: Text
    resource: Text
    reason: Text
    expires: date
    stack: Text = ""


class _File(Shape):
    suppressions: tuple[_Item, ...] = ()


def suppressions_from(document: Document, stacks: Collection[str] | None = None) -> Suppressions:
    """The same of a document that is at hand.

    Raises:
        InputError: As for a file.
    """
    found: list[Suppression] = []
    taken: dict[tuple[str, str], set[str]] = {}
    for i, item in enumerate(parse(document, _File).suppressions):
        place = ("suppressions", i)
        if item.rule not in RULES:
            document.fail(f"no rule '{item.rule}'; {nearest(item.rule, RULES)}", *place, "rule")
        if RULES[item.rule].always:
            document.fail(f"{item.rule} can't be suppressed; mend what it finds", *place, "rule")
        if item.stack and stacks is not None and item.stack not in stacks:
            document.fail(f"no stack '{item.stack}'; {nearest(item.stack, stacks)}", *place, "stack")
        others = taken.setdefault((item.rule, item.resource), set())
        if others & {"", item.stack} or (others and not item.stack):  # one for all stacks is one for each of them
            document.fail(f"{item.rule} on {item.resource} is suppressed twice; remove one", *place)
        others.add(item.stack)
        where = f"{document.file.name}:{document.line(*place)}"
        found.append(Suppression(item.rule, item.resource, item.reason, item.expires, where, item.stack))
    return Suppressions(tuple(found))
