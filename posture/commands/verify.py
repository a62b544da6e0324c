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
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from posture.commands.opening import open_stack
from posture.commands.output import err, show, show_step
from posture.errors import InputError
from posture.local.errors import MeshError
from posture.model.entries import compile_entries
from posture.model.held import held_entries
from posture.model.posture import available, load_posture
from posture.report.verification_json import verification_json
from posture.report.verification_junit import verification_junit
from posture.report.verification_text import verification_text
from posture.verify.bundle import cleaned, cleaned_dump, write_bundle
from posture.verify.drift import posture_of
from posture.verify.run import Subject
from posture.verify.run import verify as verify_mesh

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rich.progress import TaskID

    from posture.cluster_stack import ClusterStack
    from posture.local_stack import LocalStack
    from posture.model.application import Application
    from posture.model.entries import Entry
    from posture.verify.findings import Verification
    from posture.verify.target import Target

__all__ = ["verify"]

_LONGEST_LOG = 1_000_000
file_option = click.Path(dir_okay=False, writable=True, allow_dash=True)


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
    opened = open_stack(stack, err)
    opened.settings = opened.settings.under(posture)
    with opened.live() as target:
        subject = _subject(opened, target)
        with _progress() as progress:
            found = verify_mesh(subject, progress)
        _report(found, subject, files)
        if found.holds:
            return
        try:
            words = f"what was found, each Envoy's configuration and the logs: {_leave_bundle(opened, subject, found)}"
        except (InputError, MeshError, OSError) as error:  # the trouble that was found may be in its way as well
            words = f"what the mesh holds could not be kept: {error}"
    err.print(words, highlight=False, soft_wrap=True)
    sys.exit(1)


def _report(found: Verification, subject: Subject, files: Mapping[str, str | None]) -> None:
    reports = {
        "json": lambda: verification_json(found),
        "junit": lambda: verification_junit(found),
        "html": lambda: _html(found, subject),
    }
    show(verification_text(found), to_err="-" in files.values())
    for form, file in files.items():
        if file:
            _write(file, reports[form]())


def _subject(opened: LocalStack | ClusterStack, target: Target) -> Subject:
    """What a mesh should do.

    Raises:
        InputError: It is under another posture.
    """
    application, chosen = opened.load()
    through = opened.settings.through
    name = f"{chosen.name} through {through}" if through else chosen.name
    entries = opened.as_held(compile_entries(application, chosen, opened.settings.proxies))
    _check_posture(opened, application, (name, entries), target)
    return Subject(opened.name, application, name, entries, target)


def _check_posture(
    opened: LocalStack | ClusterStack, application: Application, asked: tuple[str, tuple[Entry, ...]], target: Target
) -> None:
    """Refuse to compare a mesh call by call with a posture that it plainly isn't under.

    Raises:
        InputError: Nothing was applied, or exactly another posture of the project.
    """
    held = held_entries(target.entries())
    if posture_of(held, [asked]):
        return
    if not held.entries:
        raise InputError(f"no posture was applied to stack '{opened.name}'; run: posture up --stack {opened.name}")
    other = posture_of(held, _postures(opened, application))
    if other:
        move = f"posture up {opened.settings.posture} --stack {opened.name}"
        move += f" --through {opened.settings.through}" if opened.settings.through else ""
        raise InputError(f"the mesh of stack '{opened.name}' is under {other}, not {asked[0]}; move it with: {move}")


def _postures(opened: LocalStack | ClusterStack, application: Application) -> Iterator[tuple[str, tuple[Entry, ...]]]:
    """The project's postures, each in full and then layer by layer; those that can't be read are left out."""
    folder, proxies = opened.project / "stacks", opened.settings.proxies
    for name in available(folder):
        with suppress(InputError):
            posture = load_posture(folder, name, application)
            yield name, opened.as_held(compile_entries(application, posture, proxies))
            for layer in posture.layers:
                part = compile_entries(application, posture.through(layer), proxies)
                yield f"{name} through {layer}", opened.as_held(part)


class _Bar:
    """Shows progress on a terminal as a bar; a log gets a line for each part."""

    def __init__(self, shown: Progress | None) -> None:
        self._shown = shown
        self._task: TaskID | None = None

    def begin(self, words: str, total: int) -> None:
        if self._shown is None:
            show_step(words)
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


def _leave_bundle(opened: LocalStack | ClusterStack, subject: Subject, found: Verification) -> Path:
    """What was found, what Consul and the Envoys hold, and the logs; without certificates, keys and tokens."""
    secrets, target = opened.secrets(), subject.target
    compiled = [asdict(entry) for entry in subject.entries]
    parts = {
        "verification.json": cleaned(verification_json(found), secrets),
        "entries-compiled.json": cleaned(json.dumps(compiled, indent=1), secrets),
        "entries-held.json": cleaned(json.dumps(target.entries(), indent=1), secrets),
    }
    for name in target.proxies():
        dump = target.envoy(name, "/config_dump")
        parts[f"envoy/{name}.json"] = cleaned_dump(dump, secrets) if dump else "its admin API didn't answer\n"
    for name, log in opened.logs().items():
        parts[f"log/{name}.log"] = cleaned(log, secrets)[-_LONGEST_LOG:]
    when = datetime.fromisoformat(found.started).strftime("%Y%m%dT%H%M%SZ")
    file = opened.layout.state / f"verify-{when}.tar.gz"
    file.unlink(missing_ok=True)
    write_bundle(file, parts)
    return file
