"""Whatever the arguments are, the answer is right or one line, and nothing is begun."""

from __future__ import annotations

import csv
import io
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.hostile.sandbox import posture, said
from tests.hostile.words import ARGUMENTS, PROFILE

if TYPE_CHECKING:
    from tests.conftest import Project
    from tests.hostile.sandbox import Sandbox

NAMES = st.one_of(ARGUMENTS, st.sampled_from(["dev", "kind", "layered-allow", "reviews", "bookinfo", "GET", "md", "-"]))
COMMANDS: dict[str, tuple[int, list[str]]] = {
    "matrix": (1, ["--stack", "--format"]),
    "explain": (4, ["--posture", "--stack", "--json"]),
    "diff": (2, ["--stack", "--format", "--exit-code"]),
    "manifests": (1, ["--stack"]),
    "policy": (2, ["--stack", "--application", "--config", "--suppressions", "--format"]),
    "schema": (1, []),
    "nonsense": (1, ["--help"]),
}
"""How many arguments each takes, and its options; of those that begin nothing."""
ACTING = {
    "up": ["{}", "--stack={}", "--through={}"],
    "down": ["--stack={}"],
    "status": ["--stack={}"],
    "env": ["--stack={}"],
    "verify": ["--stack={}", "--json={}/x", "--html={}/x", "--junit={}/x"],
    "preview": ["--stack={}", "--base={}", "--out={}/x", "--fail-on={}"],
    "tools": ["{}"],
}
"""Those that do something with good arguments: here one of them is bad for certain."""


@st.composite
def lines(draw: st.DrawFn) -> list[str]:
    command = draw(st.sampled_from([*COMMANDS]))
    count, options = COMMANDS[command]
    given = draw(st.lists(NAMES, max_size=count + 1))
    for option in draw(st.lists(st.sampled_from(options), max_size=3)) if options else ():
        given += [option] if option in {"--json", "--exit-code", "--help"} else [option, draw(NAMES)]
    return [*draw(st.lists(ARGUMENTS, max_size=1 if draw(st.integers(0, 9)) == 0 else 0)), command, *given]


def test_any_arguments(sandbox: Sandbox, folder: Path) -> None:
    @PROFILE(200)
    @given(lines())
    def holds(arguments: list[str]) -> None:
        said(sandbox.ask(posture, folder, *arguments))
        assert not (folder / "owned").exists()

    holds()


@pytest.mark.parametrize("command", ACTING)
def test_one_bad_argument_begins_nothing(command: str, sandbox: Sandbox, folder: Path) -> None:
    before = {file: file.lstat().st_mtime_ns for file in folder.rglob("*")}

    @PROFILE(20)
    @given(st.sampled_from(ACTING[command]), ARGUMENTS.map(lambda text: f"no{text}"))
    def holds(form: str, text: str) -> None:
        said(sandbox.ask(posture, folder, command, form.format(text)), [2])

    holds()
    assert {file: file.lstat().st_mtime_ns for file in folder.rglob("*")} == before


PATHS = st.text(min_size=1, max_size=30).map(lambda text: f"/{text}")


@pytest.mark.parametrize("form", ["text", "json"])
def test_any_path_is_explained_or_refused(form: str, sandbox: Sandbox, folder: Path) -> None:
    @PROFILE(60)
    @given(st.one_of(ARGUMENTS.map(lambda text: f"/{text}"), PATHS.filter(lambda text: "\0" not in text)))
    def holds(path: str) -> None:
        options = ["--json"] if form == "json" else []
        path = os.fsdecode(path.encode(errors="surrogateescape"))
        answer = said(sandbox.ask(posture, folder, "explain", *options, "reviews", "ratings", "GET", path))
        if answer.code == 0:
            assert path.isprintable()
            assert path.isascii()
            if form == "json":
                assert json.loads(answer.out)["path"] == path

    holds()


FILES = st.one_of(
    st.text(st.characters(blacklist_characters="/\0", blacklist_categories=["Cs"]), min_size=1, max_size=20),
    st.binary(min_size=1, max_size=20).map(lambda name: name.translate(None, b"/\0").decode(errors="surrogateescape")),
    ARGUMENTS.map(lambda text: text.replace("/", "_")[:50]),
).filter(lambda name: name.strip(".") != "")


def test_any_name_of_a_file(sandbox: Sandbox, folder: Path) -> None:
    entry = 'Kind: service-intentions\nName: details\nSources: [{Name: "*", Action: allow}]\n'

    @PROFILE(60)
    @given(FILES, st.sampled_from(["text", "json", "sarif", "junit"]))
    def holds(name: str, form: str) -> None:
        file = folder / f"x{name}"
        file.write_text(entry)
        try:
            answer = said(sandbox.ask(posture, folder, "policy", "--format", form, "--", file.name))
        finally:
            file.unlink()
        assert answer.code == 1

    holds()


def test_any_name_of_a_posture(sandbox: Sandbox, folder: Path) -> None:
    @PROFILE(60)
    @given(FILES, st.sampled_from(["text", "json", "csv", "md", "dot", "svg"]))
    def holds(name: str, form: str) -> None:
        file = folder / "stacks" / f"x{name}.yaml"
        file.write_text("description: x\n")
        try:
            answer = said(sandbox.ask(posture, folder, "matrix", "--format", form, "--", file.stem))
            said(
                sandbox.ask(posture, folder, "diff", "layered-allow", file.stem, "--format", form.replace("svg", "md"))
            )
        finally:
            file.unlink()
        if answer.code == 0 and form == "csv":
            assert len({len(row) for row in csv.reader(io.StringIO(answer.out))}) == 1

    holds()


@pytest.mark.parametrize("folder_name", ["a b", "$(touch owned)", "'; touch owned #", "a\nb", "%(here)s;x", "💥"])
def test_what_a_shell_evaluates_is_data(folder_name: str, project: Project, tmp_path: Path) -> None:
    """`posture env` through a real shell, from a project in a folder whose name is a command."""
    folder = tmp_path / folder_name
    folder.mkdir()
    other = type(project).copied(folder)
    program = shlex.quote(str(Path(sys.executable).parent / "posture"))
    script = f'eval "$({program} env)"; printf "%s" "$PULUMI_CONFIG_PASSPHRASE_FILE"'
    done = subprocess.run(
        ["/bin/sh", "-c", script],
        cwd=folder,
        env=other.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert Path(done.stdout) == folder / ".posture/dev/passphrase"
    assert Path(done.stdout).read_text()
    assert not list(tmp_path.rglob("owned"))
