"""`posture policy`: the rules of the policy pack on files and on whole stacks, without the engine."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from posture.commands.output import show
from posture.commands.resources import Judged, of_files, of_stacks, open_pack
from posture.errors import InputError
from posture.model.settings import stacks as stacks_of
from posture.report.findings_json import findings_json
from posture.report.findings_junit import findings_junit
from posture.report.findings_sarif import findings_sarif
from posture.report.findings_text import findings_text
from posture.stack import find_project

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import RenderableType

    from posture.report.findings import Placed

__all__ = ["policy"]

_FORMATS: dict[str, Callable[[list[Placed], int], RenderableType]] = {
    "text": findings_text,
    "json": findings_json,
    "sarif": findings_sarif,
    "junit": findings_junit,
}
_file = click.Path(path_type=Path)


@click.command()
@click.argument("files", nargs=-1, type=_file)
@click.option("--stack", "-s", "stacks", multiple=True, help="Judge these stacks alone.")
@click.option("--application", help="The application that the files are for; postures are for the project's own.")
@click.option("--config", type=_file, help="Levels and options of rules, instead of policies/config.json.")
@click.option("--suppressions", type=_file, help="Instead of policies/suppressions.yaml.")
@click.option("--format", "form", type=click.Choice(list(_FORMATS)), default="text", show_default=True)
def policy(  # noqa: PLR0913, PLR0917 - one parameter an option of the command
    files: tuple[Path, ...],
    stacks: tuple[str, ...],
    application: str | None,
    config: Path | None,
    suppressions: Path | None,
    form: str,
) -> None:
    """Hold FILES, or every stack of the project, against the rules of the policy pack. Exit 1 if one refuses.

    FILES are postures (stacks/*.yaml), objects of Kubernetes, config entries in Consul's words (Kind, Name, …), or
    Pulumi programs in YAML; all but postures are judged together.
    """
    if files and stacks:
        raise InputError("name files or stacks, not both")
    pack = open_pack(config, suppressions, None if files else stacks_of(find_project()))
    judged: Judged = of_files(files, application, pack) if files else of_stacks(stacks, pack)
    show(_FORMATS[form](judged.placed, judged.resources))
    if any(each.finding.refuses for each in judged.placed):
        sys.exit(1)
