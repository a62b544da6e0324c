"""`posture matrix`, `explain` and `diff`: what postures allow, asked of the model; nothing needs to run."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

import click

from posture.commands.output import show
from posture.errors import InputError
from posture.model.access import Access, Arrival, Request
from posture.model.difference import difference, matrices
from posture.model.document import nearest
from posture.model.entries import compile_entries
from posture.model.explanation import explain, explain_entrance
from posture.model.matrix import OUTSIDE, UNKNOWN
from posture.model.matrix import matrix as matrix_of
from posture.model.origins import origins
from posture.model.paths import METHODS
from posture.model.settings import read_settings
from posture.report.difference_csv import difference_csv
from posture.report.difference_json import difference_json
from posture.report.difference_markdown import difference_markdown
from posture.report.difference_text import difference_text
from posture.report.explanation_json import explanation_json
from posture.report.explanation_text import explanation_text
from posture.report.matrix_csv import matrix_csv
from posture.report.matrix_dot import matrix_dot
from posture.report.matrix_json import matrix_json
from posture.report.matrix_markdown import matrix_markdown
from posture.report.matrix_text import matrix_text
from posture.report.mesh_svg import mesh_svg

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rich.console import RenderableType

    from posture.model.application import Application
    from posture.model.difference import Difference
    from posture.model.matrix import Matrix

__all__ = ["diff", "explain_command", "matrix"]

_MATRICES: dict[str, Callable[[Matrix], RenderableType]] = {
    "text": matrix_text,
    "json": matrix_json,
    "md": matrix_markdown,
    "csv": matrix_csv,
    "dot": matrix_dot,
    "svg": mesh_svg,
}
_DIFFERENCES: dict[str, Callable[[Difference], RenderableType]] = {
    "text": difference_text,
    "json": difference_json,
    "md": difference_markdown,
    "csv": difference_csv,
}
_PICTURES: dict[str, Callable[[Matrix, Difference], str]] = {"dot": matrix_dot, "svg": mesh_svg}
"""The mesh as it will be, with what changes marked."""

stack_option = click.option("--stack", "-s", default="dev", show_default=True, help="The stack whose settings count.")


@click.command()
@click.argument("posture", required=False)
@stack_option
@click.option("--format", "form", type=click.Choice(list(_MATRICES)), default="text", show_default=True)
def matrix(posture: str | None, stack: str, form: str) -> None:
    """Show who may call whom under POSTURE, or under the stack's own."""
    _, application, name, access = _open(stack, posture)
    show(_MATRICES[form](matrix_of(access, application, name)))


@click.command("explain")
@click.argument("source")
@click.argument("destination")
@click.argument("method")
@click.argument("path")
@click.option("--posture", help="The posture to ask about; without it, the stack's own.")
@stack_option
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON, for machines.")
def explain_command(  # noqa: PLR0913 - one parameter an argument of the command
    source: str, destination: str, method: str, path: str, *, posture: str | None, stack: str, as_json: bool
) -> None:
    """Say whether SOURCE may send METHOD PATH to DESTINATION, by which rule, and where that is written.

    SOURCE is a service, a client or the gateway (which stands for what it lets in); "unknown" is any other identity of
    the mesh, and "outside" a caller without one.
    """
    project, application, name, access = _open(stack, posture)
    known = {*application.sources, UNKNOWN, OUTSIDE}
    if source not in known:
        raise InputError(f"nobody called '{source}'; {nearest(source, known)}")
    if destination not in application.services:
        raise InputError(f"no service '{destination}'; {nearest(destination, application.services)}")
    if method not in METHODS:
        raise InputError(f"no method '{method}'; {nearest(method.upper(), METHODS)}")
    if not re.fullmatch(r"/[!-~]*", path):
        raise InputError(f"'{path}' is no path; start it with '/', and write what isn't printable ASCII as %XX")
    if source == application.gateway.name:
        found = explain_entrance(access, Arrival(source, method, path), destination)
    else:
        request = Request(None if source == OUTSIDE else source, destination, method, path)
        found = explain(access, request)
    places = origins(project, application, name)
    show(explanation_json(found, places) if as_json else explanation_text(found, places))


@click.command()
@click.argument("old")
@click.argument("new")
@stack_option
@click.option("--format", "form", type=click.Choice([*_DIFFERENCES, *_PICTURES]), default="text", show_default=True)
@click.option("--exit-code", is_flag=True, help="Exit with 1 if there is a difference.")
def diff(old: str, new: str, stack: str, form: str, *, exit_code: bool) -> None:
    """Show which calls open and which close from posture OLD to posture NEW."""
    _, application, before_name, before = _open(stack, old)
    _, _, after_name, after = _open(stack, new)
    old_matrix, new_matrix = matrices(application, (before_name, before), (after_name, after))
    found = difference(old_matrix, new_matrix)
    show(_PICTURES[form](new_matrix, found) if form in _PICTURES else _DIFFERENCES[form](found))
    if exit_code and found:
        sys.exit(1)


def _open(stack: str, posture: str | None) -> tuple[Path, Application, str, Access]:
    """A stack's application and a posture's access model: the named one in full, or the stack's as far as it goes."""
    from posture.stack import find_project  # noqa: PLC0415 - loads the mesh's modules, which only this needs

    project = find_project()
    settings = read_settings(project, stack).under(posture)
    application, chosen = settings.load(project)
    return project, application, chosen.name, Access(compile_entries(application, chosen, settings.proxies))
