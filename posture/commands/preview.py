"""`posture preview`: what a change means, for every stack, as one comment."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import click

from posture.commands.opening import open_stack
from posture.commands.output import err, show_step
from posture.commands.resources import open_pack
from posture.errors import InputError
from posture.local.mesh import MeshError
from posture.model.document import nearest
from posture.model.settings import stacks as stacks_of
from posture.program.engine import EngineError
from posture.report.review import Failure, Review
from posture.report.review_markdown import review_markdown
from posture.review import Base, review
from posture.stack import Stack, find_project
from posture.verify.bundle import cleaned

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from policies.judging import Pack

__all__ = ["preview"]

_PARTS = ("apps", "stacks", "Pulumi.*")
_BASE = (
    "Compare with this revision: who may call whom, and under what limits and protections; not images, the number of "
    "instances, or Consul's chart and its values. Without it, compare everything with what is deployed."
)


@click.command()
@click.option("--stack", "-s", "stacks", multiple=True, help="Preview these stacks alone.")
@click.option("--base", metavar="REV", help=_BASE)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the comment to a file.")
@click.option(
    "--fail-on",
    type=click.Choice(["widening", "policy", "any"]),
    multiple=True,
    help="Exit with 1 if a call opens or a protection loosens, if a policy refuses, or if anything compared changes.",
)
def preview(stacks: tuple[str, ...], base: str | None, out: Path | None, fail_on: tuple[str, ...]) -> None:
    """Say what applying the project would mean: calls that open and close, limits, policies, resources.

    The answer is Markdown for a comment on a pull request, one for all stacks. Nothing is changed. A stack that can't
    be previewed is named in it; the others are still previewed, and the exit code is then 2.
    """
    project = find_project()
    known = stacks_of(project)
    for name in stacks:
        if name not in known:
            raise InputError(f"no stack '{name}'; {nearest(name, known)}")
    if out and not out.absolute().parent.is_dir():
        raise InputError(f"can't write {out}: there is no such folder; make it first")
    pack = open_pack(None, None, known)
    with _checked_out(project, base) as compared:
        reviews = [_review(name, pack, compared) for name in stacks or known]
    text = review_markdown(reviews)
    if out:
        out.write_text(text, encoding="utf-8")
    else:
        click.echo(text, nl=False)
    failures = [each for each in reviews if isinstance(each, Failure)]
    for each in failures:
        err.print(f"no preview of {each.stack}: {each.words}", highlight=False, soft_wrap=True)
    if failures:
        sys.exit(2)
    if _fails([each for each in reviews if isinstance(each, Review)], fail_on):
        sys.exit(1)


def _review(name: str, pack: Pack, base: Base | None) -> Review | Failure:
    show_step(f"previewing {name}")
    try:
        stack = open_stack(name, err)
    except InputError as error:
        return Failure(name, cleaned(str(error), ()))
    try:
        return review(stack, pack, base)
    except (InputError, EngineError, MeshError) as error:
        return Failure(name, cleaned(str(error), _secrets(stack)))


def _secrets(stack: Stack) -> list[str]:
    try:
        return stack.secrets()
    except InputError:  # the tokens are damaged, so that nobody could have told them
        return Stack.secrets(stack)


def _fails(reviews: Sequence[Review], reasons: tuple[str, ...]) -> bool:
    tests = {
        "widening": lambda each: each.widens,
        "policy": lambda each: each.refused > 0,
        "any": lambda each: each.changes,
    }
    return any(tests[reason](each) for reason in reasons for each in reviews)


@contextmanager
def _checked_out(project: Path, revision: str | None) -> Iterator[Base | None]:
    """The files of a revision that say what its stacks enforce, in a folder for as long as they are needed.

    Raises:
        InputError: There is no such revision, or no repository.
    """
    if revision is None:
        yield None
        return
    found = _git(project, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    if found is None:
        raise InputError(f"no revision '{revision}' here; fetch it, or name another one with --base")
    commit = found.decode().strip()
    names = (_git(project, "ls-tree", "--name-only", commit) or b"").decode().split("\n")
    wanted = [name for name in names if any(Path(name).match(part) for part in _PARTS)]
    archive = _git(project, "archive", commit, "--", *wanted) if wanted else None
    if archive is None:
        raise InputError(f"revision '{revision}' has no stacks; name another one with --base")
    with tempfile.TemporaryDirectory() as folder:
        try:
            with tarfile.open(fileobj=BytesIO(archive)) as files:
                files.extractall(folder, filter="data")
        except tarfile.FilterError as error:
            name = error.tarinfo.name
            raise InputError(
                f"'{name}' of revision '{revision}' links to what isn't in the project's folder; put it there, "
                "or preview without --base"
            ) from None
        yield Base(revision, Path(folder))


def _git(project: Path, *arguments: str) -> bytes | None:
    """What git answers; None if it fails."""
    try:
        done = subprocess.run(["git", "-C", str(project), *arguments], capture_output=True, check=False)  # noqa: S607
    except FileNotFoundError:
        raise InputError("--base needs git; install it") from None
    return done.stdout if done.returncode == 0 else None
