"""Whatever stands in a file, it is judged or refused; nothing makes a rule fail."""

from __future__ import annotations

import copy
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from policies.judging import Pack, judge
from policies.reading import of_config_entry, of_kubernetes, of_pulumi
from policies.view import Resource, Stack
from posture.model.application import load_application
from tests.policies.corpus_cases import ROOT, base

BOOKINFO = load_application(ROOT / "apps" / "bookinfo.yaml")
JUNK: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, 0, -1, 1.5, "", "*", "text", "https://x", [], {}, [None], ["a"], [{}], {"Name": None}, {"name": "a"}]
)


def places(value: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    here = [place] if place else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return here + [each for key, inner in items for each in places(inner, (*place, key))]


def changed(document: dict[str, Any], place: tuple[Any, ...], junk: object) -> dict[str, Any]:
    document = copy.deepcopy(document)
    here: Any = document
    for part in place[:-1]:
        here = here[part]
    here[place[-1]] = junk
    return document


def read(document: dict[str, Any]) -> Resource:
    if "apiVersion" in document:
        return of_kubernetes(document)
    if "resources" in document:
        (name, resource), *_ = document["resources"].items()
        return of_pulumi(resource["type"], name, resource["properties"])
    body = {key: value for key, value in document.items() if key not in {"Kind", "Name"}}
    return of_config_entry(document["Kind"], document["Name"], body)


DOCUMENTS = [document for on in ("local", "kubernetes") for _, document in base(on)]
KEPT = {
    ("apiVersion",),
    ("kind",),
    ("Kind",),
    ("Name",),
    ("resources",),
    ("resources", "consul"),
    ("resources", "consul", "type"),
}
SPOTS = [(i, place) for i, document in enumerate(DOCUMENTS) for place in places(document) if place not in KEPT]


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(SPOTS), JUNK)
def test_rules_survive_junk_anywhere(spot: tuple[int, tuple[Any, ...]], junk: object) -> None:
    number, place = spot
    if (
        DOCUMENTS[number].get("resources")
        and place == ("resources", "consul", "properties")
        and not isinstance(junk, dict)
    ):
        return
    bad = read(changed(DOCUMENTS[number], place, junk))
    others = tuple(read(each) for i, each in enumerate(DOCUMENTS) if i != number)
    judge(Stack((bad, *others), BOOKINFO), Pack())


@pytest.mark.parametrize(
    "document",
    [
        {"type": "consul:ConfigEntry", "properties": {"kind": "mesh", "name": "mesh", "configJson": "[" * 200_000}},
        {
            "type": "kubernetes:helm.sh/v3:Release",
            "properties": {"chart": "consul", "values": {"server": {"extraConfig": "[" * 200_000}}},
        },
    ],
)
def test_rules_survive_json_that_is_too_deep_to_read(document: dict[str, Any]) -> None:
    resource = read({"resources": {"deep": document}})
    assert {each.rule.id for each in judge(Stack((resource,)), Pack())} & {"CP001", "CP103"}
