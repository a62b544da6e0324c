"""The grants of a posture as a table: what is open, to whom, for which requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from posture.model.conditions import NEGATED
from posture.model.limit_words import limit_words
from posture.model.limits import in_force
from posture.model.posture import HEADER_KINDS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from posture.model.posture import Grant, HeaderMatch, Permission, Posture

__all__ = ["grants_table"]


def grants_table(posture: Posture) -> Table:
    """One row a grant and one for each thing that is limited; everything else is denied."""
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    for grant in posture.grants:
        table.add_row(f"  {grant.name}", f"{grant.source} → {grant.destination}", _requests(grant))
    for service, limit in in_force(posture.limits).items():
        for words in limit_words(limit):
            table.add_row("  limit", service, words, style="yellow")
    return table


def _requests(grant: Grant) -> str:
    return "; ".join(map(_permission, grant.permissions)) if grant.permissions else "any request"


def _permission(permission: Permission) -> str:
    methods = ", ".join(permission.methods) if permission.methods else "any method"
    path = permission.path_exact or "any path"
    if permission.path_prefix:
        path = f"{permission.path_prefix}…"
    if permission.path_regex:
        path = f"~ {permission.path_regex}"
    return " ".join([methods, path, *_headers(permission.header or ())])


def _headers(headers: Iterable[HeaderMatch]) -> list[str]:
    """As in "with x-team, x-tier that is not gold" and "without x-debug"."""
    absent = [header.name for header in headers if header.present and header.invert]
    there = [_there(header) for header in headers if not (header.present and header.invert)]
    return [f"{word} {', '.join(names)}" for word, names in (("with", there), ("without", absent)) if names]


def _there(header: HeaderMatch) -> str:
    if not header.invert:
        return header.name
    kind = next(kind for kind in HEADER_KINDS if getattr(header, kind) is not None)
    case = " in any case" if header.ignore_case else ""
    return f"{header.name} that {NEGATED[kind.capitalize()]} {getattr(header, kind)}{case}"
