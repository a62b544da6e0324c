"""`posture policy` on two stacks, of which one alone needs a suppression."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from posture.cli import posture

if TYPE_CHECKING:
    from click.testing import Result

ROOT = Path(__file__).parents[2]
ITEM = {"rule": "CP203", "resource": "service-intentions/ratings", "reason": "moving in", "expires": "9999-12-31"}
CARELESS = "CP203 service-intentions/ratings prefix /ratings also matches /ratingsX"
UNNEEDED = "CP901 service-intentions/ratings has a suppression of CP203"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stacks dev and prod; the posture of dev has a prefix that matches more than it says, that of prod hasn't."""
    for name in ("apps", "stacks"):
        shutil.copytree(ROOT / name, tmp_path / name)
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "config.json").write_text("{}")
    (tmp_path / "Pulumi.yaml").write_text("name: x\n")
    shipped = (tmp_path / "stacks" / "layered-allow.yaml").read_text()
    (tmp_path / "stacks" / "careless.yaml").write_text(shipped.replace("/ratings/,", "/ratings,"))
    use(tmp_path, dev="careless", prod="layered-allow")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def use(project: Path, **postures: str) -> None:
    for stack, name in postures.items():
        (project / f"Pulumi.{stack}.yaml").write_text(f"config: {{consul-posture:posture: {name}}}\n")


def suppress(project: Path, *changes: dict[str, str]) -> None:
    items = [{**ITEM, **each} for each in changes]
    (project / "policies" / "suppressions.yaml").write_text(json.dumps({"suppressions": items}))


def run(*options: str) -> Result:
    return CliRunner().invoke(posture, ["policy", *options])


def test_it_suppresses_there_and_is_not_missed_elsewhere(project: Path) -> None:
    suppress(project, {})
    assert f"mandatory {UNNEEDED}" in run().output, "one for all stacks has to be needed in each of them"
    suppress(project, {"stack": "dev"})
    answer = run()
    assert answer.exit_code == 0, answer.output
    assert f"suppressed {CARELESS}" in answer.output
    assert "until 9999-12-31: moving in (suppressions.yaml:1, in dev alone)" in answer.output
    assert "CP901" not in answer.output
    suppressed = [each["suppressed"] for each in json.loads(run("--format", "json").stdout)["findings"]]
    assert [each["stack"] for each in suppressed if each] == ["dev"]
    assert "(suppressed until 9999-12-31, in dev alone: moving in)" in run("--format", "junit").stdout
    assert [run("--stack", name).exit_code for name in ("dev", "prod")] == [0, 0]


def test_it_suppresses_nothing_in_another_stack_and_has_to_be_needed_in_its_own(project: Path) -> None:
    suppress(project, {"stack": "prod"})
    answer = run()
    assert answer.exit_code == 1
    assert f"mandatory {CARELESS}" in answer.output
    assert f"mandatory {UNNEEDED}" in answer.output
    assert "CP901" not in run("--stack", "dev").output
    assert "CP901" in run("--stack", "prod").output


def test_what_is_suppressed_in_one_stack_is_still_refused_in_another(project: Path) -> None:
    """At the same line of the same posture."""
    use(project, prod="careless")
    suppress(project, {"stack": "dev"})
    answer = run()
    assert answer.exit_code == 1
    assert f"mandatory {CARELESS}" in answer.output
    assert f"suppressed {CARELESS}" in answer.output
    results = json.loads(run("--format", "sarif").stdout)["runs"][0]["results"]
    assert len({each["partialFingerprints"]["finding/v1"] for each in results}) == len(results)
    suppress(project, {"stack": "dev"}, {"stack": "prod"})
    assert run().exit_code == 0


def test_one_for_a_resource_that_its_stack_does_not_have_is_an_error(project: Path) -> None:
    suppress(project, {"stack": "dev"}, {"stack": "prod", "resource": "service-intentions/rating"})
    answer = run()
    assert answer.exit_code == 1
    words = "stack has a suppression of CP203 for service-intentions/rating, which stack prod doesn't have"
    assert words in answer.output


def test_an_unknown_stack_gets_one_line(project: Path) -> None:
    suppress(project, {"stack": "prd"})
    answer = run()
    assert answer.exit_code != 0
    assert str(answer.exception).endswith("policies/suppressions.yaml:1: no stack 'prd'; did you mean 'prod'?")
