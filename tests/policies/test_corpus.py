"""Every bad program of the corpus has exactly the findings that it should have."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

import pytest
import yaml
from click.testing import CliRunner

from policies.registry import RULES
from posture.cli import posture
from tests.policies.corpus_cases import CASES, Case

if TYPE_CHECKING:
    from pathlib import Path


def run(case: Case, file: Path, *options: str) -> list[str]:
    file.write_text(yaml.safe_dump_all(case.program(), sort_keys=False))
    answer = CliRunner().invoke(posture, ["policy", str(file), "--format", "json", *options], catch_exceptions=False)
    findings = json.loads(answer.stdout)["findings"]
    assert answer.exit_code == any(each["level"] == "mandatory" for each in findings)
    assert all(each["file"] == str(file) for each in findings)
    return [f"{each['rule']} {each['resource']}" for each in findings]


def test_the_corpus_is_large_and_covers_every_rule() -> None:
    assert len(CASES) >= 60
    covered = {each.split()[0] for case in CASES.values() for each in case.finds}
    assert set(RULES) - covered == {"CP901"}, "it depends on the day, and has tests of its own"
    assert all(case.finds for case in CASES.values())


@pytest.mark.parametrize("name", CASES)
def test_a_bad_program_has_its_findings_and_no_others(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    application = () if case.on == "nothing" else ("--application", "bookinfo")
    assert Counter(run(case, tmp_path / "program.yaml", *application)) == Counter(case.finds)


@pytest.mark.parametrize("on", ["local", "kubernetes"])
def test_the_good_programs_have_none(on: str, tmp_path: Path) -> None:
    assert run(Case("good", [], on), tmp_path / "program.yaml", "--application", "bookinfo") == []
