"""The grants of a posture as a table: what is open, to whom, for which requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from posture.model.limit_words import limit_words
from posture.model.limits import in_force

if TYPE_CHECKING:
    from posture.model.posture import Grant, Permission, Posture

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
    headers = f" with {', '.join(header.name for header in permission.header)}" if permission.header else ""
    return f"{methods} {path}{headers}"
