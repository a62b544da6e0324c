"""`posture matrix`, `explain` and `diff` as commands: exit codes, formats, and one line for bad input."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from posture.commands.access import diff, explain_command, matrix
from posture.errors import InputError

if TYPE_CHECKING:
    import click
    from click.testing import Result

ROOT = Path(__file__).parents[2]
CALL = ("productpage", "details", "GET", "/details/0")


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for folder in ("apps", "stacks"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    (tmp_path / "Pulumi.yaml").write_text("name: x\nruntime: python\n")
    (tmp_path / "Pulumi.dev.yaml").write_text(
        "config:\n  consul-posture:posture: layered-allow\n  consul-posture:through: details-viewer\n"
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(command: click.Command, *arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == code, result.output
    return result


def test_matrix_shows_the_stacks_posture_as_far_as_it_goes() -> None:
    cells = json.loads(run(matrix, "--format", "json").stdout)["cells"]
    open_to_productpage = {cell["destination"] for cell in cells if cell["source"] == "productpage" and cell["allowed"]}
    assert open_to_productpage == {"details"}


@pytest.mark.parametrize("line", ["{type: string, default: deny-all}", "{value: deny-all}", "deny-all"])
def test_what_a_stack_does_not_say_is_what_the_project_says(project: Path, line: str) -> None:
    (project / "Pulumi.yaml").write_text(f"name: x\nruntime: python\nconfig:\n  posture: {line}\n")
    assert json.loads(run(matrix, "--format", "json").stdout)["posture"] == "layered-allow"
    (project / "Pulumi.dev.yaml").write_text("config:\n  gatewayPort: 8444\n")
    assert json.loads(run(matrix, "--format", "json").stdout)["posture"] == "deny-all"


def test_a_wrong_default_is_named_by_the_projects_line(project: Path) -> None:
    (project / "Pulumi.yaml").write_text("name: x\nconfig:\n  gatewayPort:\n    default: 0\n")
    with pytest.raises(InputError, match=r"Pulumi\.yaml:3: 'gatewayPort' must be at least 1, not 0"):
        CliRunner().invoke(matrix, [], catch_exceptions=False)


def test_matrix_shows_a_named_posture_in_full() -> None:
    found = json.loads(run(matrix, "layered-allow", "--format", "json").stdout)
    assert found["posture"] == "layered-allow"
    opened = {cell["destination"] for cell in found["cells"] if cell["source"] == "productpage" and cell["allowed"]}
    assert opened == {"details", "reviews"}


@pytest.mark.parametrize("form", ["text", "json", "md", "csv", "dot", "svg"])
def test_matrix_has_this_format(form: str) -> None:
    assert "productpage" in run(matrix, "--format", form).stdout


def test_explain_answers_and_names_the_line() -> None:
    text = run(explain_command, *CALL, "--posture", "layered-allow").stdout
    assert text.startswith("ALLOWED  productpage → details  GET /details/0")
    assert "stacks/layered-allow.yaml:17  grant details-viewer" in text


def test_explain_follows_extends_to_the_line() -> None:
    text = run(explain_command, *CALL, "--posture", "rate-limited").stdout
    assert "stacks/layered-allow.yaml:17  grant details-viewer" in text


def test_explain_answers_in_json() -> None:
    found = json.loads(run(explain_command, "outside", *CALL[1:], "--json").stdout)
    assert (found["source"], found["allowed"], found["rule"]) == ("outside", False, "mutual TLS")


def test_explain_takes_the_gateway_for_those_whom_it_lets_in() -> None:
    assert "apps/bookinfo.yaml" in run(explain_command, "gateway", "productpage", "GET", "/nothing").stdout


@pytest.mark.parametrize("form", ["text", "json", "md", "csv"])
def test_diff_has_this_format(form: str) -> None:
    assert "new caller" in run(diff, "deny-all", "layered-allow", "--format", form).stdout


@pytest.mark.parametrize(("form", "words"), {"dot": 'label="opens"', "svg": ">opens</text>"}.items())
def test_diff_draws_what_changes(form: str, words: str) -> None:
    assert words in run(diff, "deny-all", "layered-allow", "--format", form).stdout


def test_diff_exits_with_1_only_when_asked_and_different() -> None:
    run(diff, "deny-all", "layered-allow")
    run(diff, "deny-all", "layered-allow", "--exit-code", code=1)
    run(diff, "deny-all", "deny-all", "--exit-code")


BAD: dict[str, tuple[click.Command, tuple[str, ...], str]] = {
    "unknown posture": (matrix, ("layered-alow",), "no posture 'layered-alow'; did you mean 'layered-allow'?"),
    "an empty posture": (diff, ("deny-all", ""), "no posture ''; known: baseline, deny-all"),
    "an empty posture of a matrix": (matrix, ("",), "no posture ''; known: baseline, deny-all"),
    "unknown stack": (matrix, ("--stack", "deb"), "no stack 'deb'; did you mean 'dev'?"),
    "unknown old posture": (diff, ("x", "baseline"), "no posture 'x'; known: baseline, deny-all"),
    "unknown source": (explain_command, ("revews", *CALL[1:]), "nobody called 'revews'; did you mean 'reviews'?"),
    "unknown destination": (
        explain_command,
        ("reviews", "rating", *CALL[2:]),
        "no service 'rating'; did you mean 'ratings'?",
    ),
    "a client as destination": (explain_command, ("reviews", "fortio", *CALL[2:]), "no service 'fortio'"),
    "lower case method": (explain_command, (*CALL[:2], "get", "/"), "no method 'get'; did you mean 'GET'?"),
    "no path": (explain_command, (*CALL[:3], "details"), "'details' is no path; start it with '/'"),
}


@pytest.mark.parametrize(("command", "arguments", "words"), BAD.values(), ids=BAD)
def test_bad_input_gets_one_line(command: click.Command, arguments: tuple[str, ...], words: str) -> None:
    result = CliRunner().invoke(command, arguments)
    assert isinstance(result.exception, InputError)
    assert str(result.exception).startswith(words)
    assert "\n" not in str(result.exception)


def test_an_unknown_format_is_a_usage_error() -> None:
    assert "'html' is not one of" in run(matrix, "--format", "html", code=2).stderr


def test_outside_of_a_project_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "Pulumi.yaml").unlink()
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(matrix)
    assert isinstance(result.exception, InputError)
    assert "no Pulumi.yaml here or above" in str(result.exception)
