"""The command line's manners, where no mesh is needed: help, schemas, and one line for bad input."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from posture.local.tools import TEST_TOOLS, TOOLS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Project

COMMANDS = ("up", "down", "status", "tools", "env", "schema", "matrix", "explain", "diff", "verify")


def test_help_names_every_command(project: Project) -> None:
    text = project.posture("--help").stdout
    assert all(command in text for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(project: Project, command: str) -> None:
    assert len(project.posture(command, "--help").stdout.splitlines()) > 3


def test_schema_prints_json(project: Project) -> None:
    assert json.loads(project.posture("schema", "posture").stdout)["title"] == "Posture"


@pytest.mark.parametrize(
    ("arguments", "names"), [((), [*TOOLS]), (("--for-tests",), [*TOOLS, *TEST_TOOLS])], ids=["users", "tests"]
)
def test_the_tests_own_tools_are_listed_only_when_asked_for(
    project: Project, arguments: tuple[str, ...], names: list[str]
) -> None:
    listed = json.loads(project.posture("tools", "--json", *arguments).stdout)
    assert [each["name"] for each in listed] == names


BAD = {
    "unknown command": (("upp",), "No such command 'upp'"),
    "unknown option": (("up", "--trough", "x"), "No such option"),
    "unknown posture": (("up", "deny-al"), "no posture 'deny-al'; did you mean 'deny-all'?"),
    "unknown grant": (("up", "layered-allow", "--through", "visitor"), "did you mean 'visitors'?"),
    "unknown stack": (("up", "--stack", "develop"), "no stack 'develop'; did you mean 'dev'?"),
    "stack outside of the folder": (("up", "--stack", "../dev"), "no stack '../dev'"),
    "unknown schema": (("schema", "stack"), "'stack' is not one of"),
}


@pytest.mark.parametrize(("arguments", "words"), BAD.values(), ids=BAD.keys())
def test_bad_arguments_get_one_line_and_exit_2(project: Project, arguments: tuple[str, ...], words: str) -> None:
    done = project.posture(*arguments, check=2)
    assert done.stdout == ""
    [line] = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert words in line


CONFIGURATIONS = {
    "unknown key": (
        "config:\n  consul-posture:postur: deny-all\n",
        ":2: unknown key 'postur'; did you mean 'posture'?",
    ),
    "unknown target": ("config:\n  consul-posture:target: moon\n", ":2: 'target' is 'moon'; it must be 'local'"),
    "port too high": ("config:\n  consul-posture:gatewayPort: 70000\n", ":2: 'gatewayPort' must be at most 65535"),
    "a secret among the chart's values": (
        "config:\n  consul-posture:consulValues: {server: {token: {secure: v1:x}}}\n",
        ":2: 'consulValues' holds a secret, which Pulumi's state would have in plain text",
    ),
    "a secret posture": ("config:\n  consul-posture:posture: {secure: v1:x}\n", ":2: 'posture' holds a secret"),
    "no loopback": ("config:\n  consul-posture:localNetwork: '10.1'\n", ":2: '10.1' is no valid 'localNetwork'"),
    "unknown application": ("config:\n  consul-posture:application: shop\n", "no application 'shop'; known: bookinfo"),
    "unknown posture": ("config:\n  consul-posture:posture: open\n", "no posture 'open'; known: "),
}


@pytest.mark.parametrize(("text", "words"), CONFIGURATIONS.values(), ids=CONFIGURATIONS.keys())
def test_bad_configuration_gets_one_line_and_exit_2(project: Project, text: str, words: str) -> None:
    file = project.folder / "Pulumi.bad.yaml"
    file.write_text(text)
    try:
        done = project.posture("up", "--stack", "bad", check=2)
    finally:
        file.unlink()
    [line] = done.stderr.splitlines()
    assert words in line
    assert not (project.folder / ".posture" / "bad").exists(), "nothing was begun"


def test_outside_of_a_project_there_is_one_line(project: Project, tmp_path: Path) -> None:
    outside = type(project)(tmp_path, project.environment)
    done = outside.posture("status", check=2)
    assert done.stderr == "error: no Pulumi.yaml here or above; run this in the project's folder\n"


def test_the_status_of_what_was_never_started_starts_nothing(project: Project) -> None:
    done = project.posture("status", "--stack", "dev", check=1)
    assert "no posture applied yet" in done.stdout
    assert not (project.folder / ".posture" / "dev").exists()
