"""Every rule is complete, and does what its own examples say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from policies.config import Config
from policies.files import resources_in
from policies.judging import Finding, Pack, judge
from policies.registry import MODULES, RULES
from policies.rule import Level
from policies.suppression_file import suppressions_from
from policies.suppressions import NONE
from policies.view import Stack
from posture.model.application import load_application
from posture.model.document import documents_in

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).parents[2]
BOOKINFO = load_application(ROOT / "apps" / "bookinfo.yaml")


def found(text: str, module: ModuleType | None = None) -> list[Finding]:
    here = Path("example.yaml")
    resources = tuple(each.resource for document in documents_in(text, here) for each in resources_in(document))
    options = {module.RULE.id: getattr(module, "OPTIONS", {})} if module else {}
    written = getattr(module, "SUPPRESSIONS", None)
    suppressions = suppressions_from(documents_in(written, here)[0]) if written else NONE
    return judge(Stack(resources, BOOKINFO), Pack(Config({}, options), suppressions))


@pytest.mark.parametrize("name", RULES)
def test_a_rule_lacks_nothing(name: str) -> None:
    rule, module = RULES[name], MODULES[name]
    assert re.fullmatch(r"CP\d{3}", rule.id)
    assert module.__name__.rpartition(".")[2].startswith(f"{rule.id.lower()}_")
    assert module.__doc__
    for words in (rule.title, rule.why, rule.mend, module.ALLOWED, module.REFUSED):
        assert words.strip()
    assert not rule.title.endswith(".")
    assert rule.why.endswith(".")
    assert rule.mend.endswith(".")
    assert rule.level in {Level.MANDATORY, Level.ADVISORY}
    assert (rule.judge is None) != (rule.judge_stack is None)


@pytest.mark.parametrize("name", RULES)
def test_a_rule_allows_its_allowed_example(name: str) -> None:
    assert [str(each) for each in found(MODULES[name].ALLOWED, MODULES[name]) if each.rule.id == name] == []


@pytest.mark.parametrize("name", RULES)
def test_a_rule_refuses_its_refused_example(name: str) -> None:
    assert [each for each in found(MODULES[name].REFUSED, MODULES[name]) if each.rule.id == name]


def test_the_ids_and_titles_are_one_of_a_kind() -> None:
    files = list((ROOT / "policies" / "rules").glob("cp*.py"))
    assert len(RULES) == len(files)
    assert len({rule.title for rule in RULES.values()}) == len(RULES)
