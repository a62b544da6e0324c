"""What policies find, with the place where a reader mends it; the formatters beside this file write it out."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from policies.judging import Finding
    from policies.view import Suppression

__all__ = ["Placed", "alone", "words_of"]


class Placed(NamedTuple):
    """A finding, and the file and line that it is about."""

    finding: Finding
    file: str
    line: int


def words_of(finding: Finding) -> str:
    """The finding in one line, and what to do."""
    return f"{finding}. {finding.rule.mend}"


def alone(suppression: Suppression) -> str:
    """To which stack a suppression is confined, as the end of a clause; empty if it is for all."""
    return f", in {suppression.stack} alone" if suppression.stack else ""
