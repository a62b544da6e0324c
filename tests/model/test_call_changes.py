"""Whoever is let in sees no more in between than at one of the ends, by way of no service."""

from __future__ import annotations

import json
from itertools import combinations, permutations
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posture.model.access import Access, Request
from posture.model.application import load_application
from posture.model.call_changes import CallChange, call_change, turns
from posture.model.entries import Entry, Kind, compile_entries
from posture.model.order import Effect, effect, key, writes
from posture.model.posture import Posture

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Call = tuple[str, str]
"""Source and destination."""

BOOKINFO = load_application(Path(__file__).parents[2] / "apps" / "bookinfo.yaml")
ORDER = ("fortio", "gateway", "productpage", "reviews", "details", "ratings")
CALLS = [(source, to) for source, to in combinations(ORDER, 2) if to in BOOKINFO.services]
"""None of which leads back to where it comes from: what is opened on such a way can be seen without it."""


def allowing(calls: Iterable[Call]) -> tuple[Entry, ...]:
    grants = [{"name": f"{source}-{to}", "from": source, "to": to} for source, to in calls]
    made = Posture.model_validate_json(json.dumps({"description": "made", "grants": grants})).named("made")
    return tuple(entry for entry in compile_entries(BOOKINFO, made) if entry.kind is Kind.SERVICE_INTENTIONS)


def order(old: Iterable[Call], new: Iterable[Call]) -> list[str]:
    """The destinations whose intentions change, in the order of their writing."""
    then, now = allowing(old), allowing(new)
    return [each.entry.name for each in writes(then, now) if each.entry not in then]


def test_what_is_behind_a_page_closes_before_the_page_opens() -> None:
    old = [("details", "productpage"), ("productpage", "reviews")]
    new = [("gateway", "productpage"), ("fortio", "reviews")]
    assert order(old, new) == ["reviews", "productpage"]


def test_a_page_closes_before_what_is_behind_it_opens() -> None:
    old = [("gateway", "productpage"), ("fortio", "reviews")]
    new = [("details", "productpage"), ("productpage", "reviews")]
    assert order(old, new) == ["productpage", "reviews"]


def test_a_call_that_stays_leads_from_one_to_the_other() -> None:
    old = [("details", "productpage"), ("productpage", "reviews"), ("reviews", "ratings")]
    new = [("gateway", "productpage"), ("productpage", "reviews"), ("fortio", "ratings")]
    assert order(old, new) == ["ratings", "productpage"]


def test_what_has_to_wait_waits_until_the_other_is_in_force() -> None:
    old = [("details", "productpage"), ("productpage", "reviews")]
    new = [("gateway", "productpage"), ("fortio", "reviews")]
    reviews, productpage = ((Kind.SERVICE_INTENTIONS, name) for name in ("reviews", "productpage"))
    found = {key(write.entry): write for write in writes(allowing(old), allowing(new))}
    assert reviews in found[productpage].after
    assert found[reviews].settles == (reviews,)


def test_those_that_lead_nowhere_are_written_at_once() -> None:
    old = [("fortio", "details"), ("fortio", "ratings")]
    new = [("gateway", "details"), ("gateway", "ratings")]
    assert turns(allowing(old), allowing(new), ["details", "ratings"]) == {"details": 0, "ratings": 0}


def test_a_circle_is_broken() -> None:
    old = [("details", "ratings"), ("ratings", "reviews"), ("reviews", "details")]
    new = [("fortio", "ratings"), ("fortio", "reviews"), ("fortio", "details")]
    found = turns(allowing(old), allowing(new), ["details", "ratings", "reviews"])
    assert sorted(found.values()) == [0, 1, 2]


def test_anyone_may_be_whoever_is_reached() -> None:
    deny, anyone = ({"Name": "*", "Action": action} for action in ("deny", "allow"))
    client = {"Name": "client", "Action": "allow"}
    held = [intentions("back", deny, anyone), intentions("front", deny, {"Name": "other", "Action": "allow"})]
    wanted = [intentions("back", deny, {"Name": "other", "Action": "allow"}), intentions("front", deny, client)]
    assert turns(held, wanted, ["front", "back"]) == {"back": 0, "front": 1}


def intentions(name: str, *sources: dict[str, str]) -> Entry:
    return Entry(Kind.SERVICE_INTENTIONS, name, {"Sources": list(sources)})


@pytest.mark.parametrize(
    ("then", "now", "expected"),
    [
        ("allow", "allow", CallChange(frozenset(), frozenset())),
        ("allow", "deny", CallChange(opens=frozenset(), closes=frozenset({"a"}))),
        ("deny", "allow", CallChange(opens=frozenset({"a"}), closes=frozenset())),
    ],
)
def test_what_becomes_of_a_source(then: str, now: str, expected: CallChange) -> None:
    before, after = ({"Sources": [{"Name": "a", "Action": action}]} for action in (then, now))
    assert call_change(before, after) == expected


def test_a_permission_with_another_path_goes_and_comes() -> None:
    before, after = (
        {"Sources": [{"Name": "a", "Permissions": [{"Action": "allow", "HTTP": {"PathPrefix": path}}]}]}
        for path in ("/old/", "/new/")
    )
    assert call_change(before, after) == CallChange(opens=frozenset({"a"}), closes=frozenset({"a"}))


def test_another_method_opens_and_closes_nothing() -> None:
    reading, writing = (
        {"Sources": [{"Name": "a", "Permissions": [{"Action": "allow", "HTTP": {"Methods": methods}}]}]}
        for methods in (["GET"], ["GET", "POST"])
    )
    assert call_change(reading, writing) == CallChange(opens=frozenset({"a"}), closes=frozenset())
    assert call_change(writing, reading) == CallChange(opens=frozenset(), closes=frozenset({"a"}))


def test_a_circle_of_many_is_written_at_once() -> None:
    names = [f"s{number}" for number in range(30)]
    ring = list(zip(names, [*names[1:], names[0]], strict=True))
    held, wanted = (
        [intentions(to, {"Name": source, "Action": "allow"}, {"Name": other, "Action": "allow"}) for source, to in ring]
        for other in ("before", "after")
    )
    assert set(turns(held, wanted, names).values()) == {0}


@settings(max_examples=200, deadline=None)
@given(*[st.sets(st.sampled_from(CALLS), max_size=8)] * 2)
def test_no_order_is_better(old: set[Call], new: set[Call]) -> None:
    then, now = allowing(old), allowing(new)
    ours = [write.entry for write in writes(then, now)]
    if not any(shown_between(then, ours, old, new)):
        return
    before = {key(entry): entry for entry in then}
    step = {entry.name: effect(before[key(entry)], entry) for entry in ours}
    both = [entry for entry in ours if step[entry.name] is Effect.BOTH]
    first = [entry for entry in ours if step[entry.name] in {None, Effect.TIGHTENS}]
    last = [entry for entry in ours if step[entry.name] is Effect.LOOSENS]
    assert len(both) > 1
    for other in permutations(both):
        assert any(shown_between(then, [*first, *other, *last], old, new))


def shown_between(held: Iterable[Entry], ordered: Iterable[Entry], old: set[Call], new: set[Call]) -> Iterator[Call]:
    """By which calls, while entries are written, somebody sees what neither end shows: some of each end only."""
    state = {key(entry): entry for entry in held}
    for entry in ordered:
        state[key(entry)] = entry
        access = Access(state.values())
        allowed = {call for call in CALLS if access.decide(Request(*call, "GET", "/")).allowed}
        for source in {source for source, _ in allowed}:
            yield from (
                call for way in ways(source, allowed) if not set(way) <= old and not set(way) <= new for call in way
            )


def ways(source: str, allowed: set[Call]) -> Iterator[tuple[Call, ...]]:
    """All ways from a service by allowed calls."""
    for call in allowed:
        if call[0] == source:
            yield (call,)
            yield from ((call, *way) for way in ways(call[1], allowed))
