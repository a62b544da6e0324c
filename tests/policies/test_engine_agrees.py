"""The real engine finds in the corpus what `posture policy` finds, resource by resource and stack by stack."""

from __future__ import annotations

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from policies.judging import Pack, judge, judge_resource
from policies.registry import RULES
from policies.view import Stack
from posture.model.application import load_application
from tests.policies.conftest import ROOT
from tests.policies.corpus_cases import CASES, Case

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.policies.conftest import Previews

pytestmark = pytest.mark.engine
Found: TypeAlias = dict[str, list[tuple[str, str, str]]]
ABOUT_STACKS = {name: case for name, case in CASES.items() if case.about_the_stack}
EXPECTED = Counter(
    (case.name, rule)
    for case in CASES.values()
    for rule in (each.split()[0] for each in case.finds)
    if RULES[rule].judge
)
"""Cases, and the rules over one resource that find something in them."""
GOOD = {f"good-{on}": Case("good", [], on) for on in ("local", "kubernetes")}


def declared(documents: list[dict[str, Any]], prefix: str = "") -> Iterator[tuple[str, tuple[str, Any]]]:
    """Each document as a resource of a Pulumi program: its name, type and inputs."""
    for i, document in enumerate(documents):
        if "apiVersion" in document:
            version = document["apiVersion"]
            kind = f"kubernetes:{version if '/' in version else f'core/{version}'}:{document['kind']}"
            yield f"{prefix}-{i}", (kind, document)
        elif "Kind" in document:
            body = {key: value for key, value in document.items() if key not in {"Kind", "Name"}}
            inputs = {"kind": document["Kind"], "name": document["Name"], "configJson": json.dumps(body)}
            yield f"{prefix}-{i}", ("consul:index/configEntry:ConfigEntry", inputs)
        else:
            for name, resource in document["resources"].items():
                kind = resource["type"].replace("consul:ConfigEntry", "consul:index/configEntry:ConfigEntry")
                yield f"{prefix}-{i}-{name}" if prefix else name, (kind, resource["properties"])


def test_the_engine_finds_the_same_on_each_resource_of_the_corpus(previews: Previews) -> None:
    """All cases in one program; what rules over a stack say of such a mixture is nothing to go by."""
    resources = {name: each for case in CASES.values() for name, each in declared(case.documents, case.name)}
    found = previews.findings(resources)
    by_case = Counter((case_of(name), rule) for rule, name, _ in found if RULES[rule].judge)
    assert by_case == EXPECTED


def case_of(name: str) -> str:
    return max((case for case in CASES if name.startswith(f"{case}-")), key=len)


@pytest.fixture(scope="module")
def found(previews: Previews) -> Found:
    """What the engine finds in each program, two at a time."""
    programs = {name: dict(declared(case.program())) for name, case in {**ABOUT_STACKS, **GOOD}.items()}
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(programs, pool.map(previews.findings, programs.values()), strict=True))


@pytest.mark.parametrize("name", ABOUT_STACKS)
def test_the_engine_finds_the_same_in_each_stack_of_the_corpus(found: Found, name: str) -> None:
    assert Counter(f"{rule} {resource}" for rule, _, resource in found[name]) == Counter(CASES[name].finds)


@pytest.fixture(scope="module")
def judged(previews: Previews) -> dict[str, Counter[str]]:
    """What is found in the log of each program."""
    programs = {name: dict(declared(case.program())) for name, case in {**ABOUT_STACKS, **GOOD}.items()}
    application = load_application(ROOT / "apps" / "bookinfo.yaml")
    logged = {name: previews.logged(program) for name, program in programs.items()}
    stacks = {name: Stack(tuple(resources.values()), application) for name, resources in logged.items()}
    return {
        name: Counter(f"{each.rule.id} {each.resource}".strip() for each in judge(stack, Pack()))
        for name, stack in stacks.items()
    }


@pytest.mark.parametrize("name", [*ABOUT_STACKS, *GOOD])
def test_what_the_engine_logs_is_judged_alike_in_each_stack_of_the_corpus(
    judged: dict[str, Counter[str]], name: str
) -> None:
    assert judged[name] == Counter(CASES[name].finds if name in CASES else ())


@pytest.mark.parametrize("name", GOOD)
def test_the_engine_finds_nothing_in_the_good_programs(found: Found, name: str) -> None:
    assert found[name] == []


def test_what_the_engine_logs_is_judged_alike_on_each_resource_of_the_corpus(previews: Previews) -> None:
    resources = {name: each for case in CASES.values() for name, each in declared(case.documents, case.name)}
    logged = previews.logged(resources)
    judged = Counter(
        (case_of(name), rule.id)
        for name, resource in logged.items()
        if name in resources
        for rule in RULES.values()
        for _ in judge_resource(rule, resource, Pack())
    )
    assert logged.keys() >= resources.keys()
    assert judged == EXPECTED
