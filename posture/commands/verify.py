"""`posture verify`: the live mesh, asked by real requests whether it does what its posture says."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from posture.commands.output import show
from posture.errors import InputError
from posture.local.mesh import MeshError
from posture.local.tokens import load_secrets
from posture.local_stack import LocalStack
from posture.model.entries import compile_entries
from posture.model.matrix import UNKNOWN
from posture.model.posture import available, load_posture
from posture.report.verification_json import verification_json
from posture.report.verification_junit import verification_junit
from posture.report.verification_text import verification_text
from posture.stack import find_project
from posture.verify.bundle import cleaned, cleaned_dump, write_bundle
from posture.verify.drift import held_entries, posture_of
from posture.verify.run import Subject
from posture.verify.run import verify as verify_mesh

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.progress import TaskID

    from posture.local.mesh import Mesh
    from posture.local.probing import LocalTarget
    from posture.model.application import Application
    from posture.model.entries import Entry
    from posture.verify.findings import Verification

__all__ = ["verify"]

_LONGEST_LOG = 1_000_000
file_option = click.Path(dir_okay=False, writable=True, allow_dash=True)
err = Console(stderr=True)


@click.command()
@click.argument("posture", required=False)
@click.option("--stack", "-s", default="dev", show_default=True, help="The stack whose mesh is asked.")
@click.option("--json", "json_file", type=file_option, help="Write the result as JSON; - is the standard output.")
@click.option("--junit", "junit_file", type=file_option, help="Write it as JUnit XML.")
@click.option("--html", "html_file", type=file_option, help="Write it as a page.")
def verify(
    posture: str | None, stack: str, json_file: str | None, junit_file: str | None, html_file: str | None
) -> None:
    """Ask a stack's live mesh, by real requests under every identity, whether it does what its posture says.

    With POSTURE it is asked about that one. Exit 1 if anything differs; what was found and the mesh's configuration
    are then kept in an archive without certificates and tokens.
    """
    files = {"json": json_file, "junit": junit_file, "html": html_file}
    _check_files(files)
    local = LocalStack(find_project(), stack, err)
    if posture:
        local.settings = local.settings.model_copy(update={"posture": posture, "through": ""})
    mesh, subject, target = _open(local)
    with _progress() as progress:
        found = verify_mesh(subject, progress)
    reports = {
        "json": lambda: verification_json(found),
        "junit": lambda: verification_junit(found),
        "html": lambda: _html(found, subject),
    }
    show(verification_text(found), err="-" in files.values())
    for form, file in files.items():
        if file:
            _write(file, reports[form]())
    if not found.holds:
        archive = _leave_bundle(local, mesh, target, subject, found)
        err.print(
            f"what was found, each Envoy's configuration and the logs: {archive}", highlight=False, soft_wrap=True
        )
        sys.exit(1)


def _open(local: LocalStack) -> tuple[Mesh, Subject, LocalTarget]:
    """The mesh and what it should do.

    Raises:
        InputError: It isn't running, is under another posture, or has no certificate for somebody.
    """
    application, chosen = local.load()
    mesh = local.mesh()
    if not any(process.name == "consul" and process.state == "running" for process in mesh.status().processes):
        raise InputError(f"stack '{local.name}' isn't running; start it with: posture up --stack {local.name}")
    target = local.target(mesh)
    for source in sorted({*application.services, *application.clients, UNKNOWN}):
        try:
            target.context(source)
        except MeshError as error:
            message = f"no certificate for '{source}': {error.message}; bring the mesh up to date with: posture up"
            raise InputError(f"{message} --stack {local.name}") from error
    through = local.settings.through
    name = f"{chosen.name} through {through}" if through else chosen.name
    entries = compile_entries(application, chosen)
    _check_posture(local, application, (name, entries), target)
    return mesh, Subject(local.name, application, name, entries, target), target


def _check_posture(
    local: LocalStack, application: Application, asked: tuple[str, tuple[Entry, ...]], target: LocalTarget
) -> None:
    """Refuse to compare a mesh call by call with a posture that it plainly isn't under.

    Raises:
        InputError: Nothing was applied, or exactly another posture of the project.
    """
    held = held_entries(target.entries())
    if posture_of(held, [asked]):
        return
    if not held.entries:
        raise InputError(f"no posture was applied to stack '{local.name}'; run: posture up --stack {local.name}")
    other = posture_of(held, _postures(local, application))
    if other:
        move = f"posture up {local.settings.posture} --stack {local.name}"
        move += f" --through {local.settings.through}" if local.settings.through else ""
        raise InputError(f"the mesh of stack '{local.name}' is under {other}, not {asked[0]}; move it with: {move}")


def _postures(local: LocalStack, application: Application) -> Iterator[tuple[str, tuple[Entry, ...]]]:
    """The project's postures, each in full and then by its grants; those that can't be read are left out."""
    folder = local.project / "stacks"
    for name in available(folder):
        with suppress(InputError):
            posture = load_posture(folder, name, application)
            yield name, compile_entries(application, posture)
            for grant in posture.grants:
                yield f"{name} through {grant.name}", compile_entries(application, posture.through(grant.name))


class _Bar:
    """Shows progress on a terminal as a bar; a log gets a line for each part."""

    def __init__(self, shown: Progress | None) -> None:
        self._shown = shown
        self._task: TaskID | None = None

    def begin(self, words: str, total: int) -> None:
        if self._shown is None:
            err.print(f"[dim]·[/] {words}", highlight=False, soft_wrap=True)
            return
        if self._task is not None:
            self._shown.remove_task(self._task)
        self._task = self._shown.add_task(words, total=total)

    def advance(self) -> None:
        if self._shown is not None and self._task is not None:
            self._shown.advance(self._task)


@contextmanager
def _progress() -> Iterator[_Bar]:
    if not err.is_terminal:
        yield _Bar(None)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=err, transient=True) as shown:
        yield _Bar(shown)


def _html(found: Verification, subject: Subject) -> str:
    from posture.report.verification_html import verification_html  # noqa: PLC0415 - loads Jinja, 80 ms

    return verification_html(found, subject.matrix)


def _check_files(files: dict[str, str | None]) -> None:
    wanted = [file for file in files.values() if file]
    if wanted.count("-") > 1:
        raise InputError("only one result can go to the standard output; name files for the others")
    for file in wanted:
        if file != "-" and not Path(file).absolute().parent.is_dir():
            raise InputError(f"can't write {file}: there is no such folder; make it first")


def _write(file: str, text: str) -> None:
    if file == "-":
        click.echo(text)
        return
    try:
        Path(file).write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"can't write {file}: {error.strerror}; name another file") from error


def _leave_bundle(local: LocalStack, mesh: Mesh, target: LocalTarget, subject: Subject, found: Verification) -> Path:
    """What was found, what Consul and the Envoys hold, and the logs; without certificates, keys and tokens."""
    kept = load_secrets(local.layout.secrets)
    secrets = [kept.management, kept.agent, kept.operator, *kept.services.values()] if kept else []
    if local.layout.passphrase.exists():
        secrets.append(local.layout.passphrase.read_text().strip())
    compiled = [asdict(entry) for entry in subject.entries]
    parts = {
        "verification.json": cleaned(verification_json(found), secrets),
        "entries-compiled.json": cleaned(json.dumps(compiled, indent=1), secrets),
        "entries-held.json": cleaned(json.dumps(target.entries(), indent=1), secrets),
    }
    for name in (*(instance.name for instance in mesh.instances), mesh.gateway):
        dump = target.envoy(name, "/config_dump")
        parts[f"envoy/{name}.json"] = cleaned_dump(dump, secrets) if dump else "its admin API didn't answer\n"
    for log in sorted(local.layout.log.glob("*.log")):
        parts[f"log/{log.name}"] = cleaned(log.read_text(errors="replace"), secrets)[-_LONGEST_LOG:]
    when = datetime.fromisoformat(found.started).strftime("%Y%m%dT%H%M%SZ")
    file = local.layout.state / f"verify-{when}.tar.gz"
    file.unlink(missing_ok=True)
    write_bundle(file, parts)
    return file
