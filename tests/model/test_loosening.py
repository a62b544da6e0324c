"""What may open is never missed: by what is written, and by the requests that are tried."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posture.model.access import Access, Request
from posture.model.entry import Entry, Kind
from posture.model.loosening import loosened

if TYPE_CHECKING:
    from random import Random

Body = dict[str, Any]
SOURCES, DESTINATIONS = ("web", "api", "other"), ("db", "cache")
METHODS, PATHS = ("GET", "POST", "PUT"), ("/", "/a", "/a/b", "/b")
HEADERS: tuple[dict[str, str], ...] = ({}, {"x-key": "1"})
REQUESTS = [Request(*each) for each in product(SOURCES, DESTINATIONS, METHODS, PATHS, HEADERS)]
PATH_FIELDS: list[Body] = [
    {},
    {"PathExact": "/a"},
    {"PathPrefix": "/"},
    {"PathPrefix": "/a"},
    {"PathPrefix": "/a/"},
    {"PathRegex": "/(a|b).*"},
]


def a_permission(chance: Random) -> Body:
    http = dict(chance.choice(PATH_FIELDS))
    if chance.random() < 0.6:
        http["Methods"] = sorted(chance.sample(METHODS, chance.randint(1, 2)))
    if chance.random() < 0.3 or not http:
        http["Header"] = [{"Name": "x-key", "Present": True, "Invert": chance.random() < 0.3}]
    return {"Action": chance.choice(["allow", "allow", "allow", "deny"]), "HTTP": http}


def a_source(chance: Random, name: str) -> Body:
    if chance.random() < 0.4:
        return {"Name": name, "Action": chance.choice(["allow", "deny"])}
    return {"Name": name, "Permissions": [a_permission(chance) for _ in range(chance.randint(1, 3))]}


def some_entries(chance: Random) -> list[Entry]:
    entries = [Entry(Kind.SERVICE_DEFAULTS, name, {"Protocol": "http"}) for name in DESTINATIONS]
    for name in chance.sample([*DESTINATIONS, "*"], chance.randint(1, 3)):
        named = chance.sample([*SOURCES[:2], "*"], chance.randint(1, 3))
        entries.append(
            Entry(Kind.SERVICE_INTENTIONS, name, {"Sources": [a_source(chance, source) for source in named]})
        )
    return entries


def changed(chance: Random, entries: list[Entry]) -> list[Entry]:
    """The same with one source of one entry said anew, or gone, so that most stays."""
    entries = list(entries)
    places = [number for number, entry in enumerate(entries) if entry.kind is Kind.SERVICE_INTENTIONS]
    place = chance.choice(places)
    sources = list(entries[place].body["Sources"])
    number = chance.randrange(len(sources))
    sources[number : number + 1] = [a_source(chance, sources[number]["Name"])] if chance.random() < 0.7 else []
    entries[place] = Entry(Kind.SERVICE_INTENTIONS, entries[place].name, {"Sources": sources})
    return entries


@settings(max_examples=400, deadline=None)
@given(st.randoms(use_true_random=False))
def test_what_is_not_named_opens_nothing(chance: Random) -> None:
    before = some_entries(chance)
    after = changed(chance, before) if chance.random() < 0.7 else some_entries(chance)
    old, new = Access(before), Access(after)
    named = {(each.source, destination) for destination, each in loosened(old, new)}
    for request in REQUESTS:
        if new.decide(request).allowed and not old.decide(request).allowed:
            places = product((request.source, "*"), (request.destination, "*"))
            assert named & set(places), f"{request} opens, {named} is named: {before} → {after}"


def rule(**http: Any) -> Body:
    return {"Action": "allow", "HTTP": http}


NARROWER = {
    "a method less": (rule(PathPrefix="/", Methods=["GET", "PUT"]), rule(PathPrefix="/", Methods=["GET"])),
    "methods at all": (rule(PathPrefix="/a"), rule(PathPrefix="/a", Methods=["GET"])),
    "a longer prefix": (rule(PathPrefix="/a/"), rule(PathPrefix="/a/b/")),
    "one path below": (rule(PathPrefix="/a/"), rule(PathExact="/a/b")),
    "a path at all": (rule(Methods=["GET"]), rule(PathRegex="/a.*", Methods=["GET"])),
    "a condition more": (rule(PathExact="/a"), rule(PathExact="/a", Header=[{"Name": "x", "Present": True}])),
}


@pytest.mark.parametrize(("before", "after"), NARROWER.values(), ids=NARROWER.keys())
def test_what_gets_narrower_is_not_named_and_the_reverse_is(before: Body, after: Body) -> None:
    wide, narrow = (
        Access([Entry(Kind.SERVICE_INTENTIONS, "db", {"Sources": [{"Name": "web", "Permissions": [each]}]})])
        for each in (before, after)
    )
    assert list(loosened(wide, narrow)) == []
    assert [(to, each.source) for to, each in loosened(narrow, wide)] == [("db", "web")]


def test_a_source_of_a_peer_hides_nothing_that_is_said_of_its_name_for_all_destinations() -> None:
    of_peer = {"Name": "web", "Peer": "other", "Action": "deny"}
    own = Entry(Kind.SERVICE_INTENTIONS, "db", {"Sources": [of_peer]})
    general = Entry(Kind.SERVICE_INTENTIONS, "*", {"Sources": [{"Name": "web", "Action": "allow"}]})
    found = {(destination, each.source) for destination, each in loosened(Access([own]), Access([own, general]))}
    assert ("db", "web") in found
