"""No moment of a switch allows what neither of its ends does, whatever of it is written first."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from posture.model.access import Access, Request
from posture.model.application import load_application
from posture.model.entries import Entry, Kind, compile_entries
from posture.model.held import bare
from posture.model.limit_words import limit_changes
from posture.model.matrix import rule_samples, samples
from posture.model.order import Effect, Key, effect, entrance_first, key, writes
from posture.model.posture import Posture, load_posture
from tests.bench.made import made_application
from tests.bench.made import made_posture as many_calls
from tests.postures import made_posture

if TYPE_CHECKING:
    from collections.abc import Iterable
    from random import Random

    from posture.model.application import Route
    from posture.model.limits import Limit

ROOT = Path(__file__).parents[2]
MANY = made_application(300)
BOOKINFO = load_application(ROOT / "apps" / "bookinfo.yaml")
SECURITY = (Kind.PROXY_DEFAULTS, Kind.MESH, Kind.SERVICE_DEFAULTS, Kind.SERVICE_INTENTIONS)
GRANTED = [{"name": "g", "from": "fortio", "to": "details"}]
MESH, DENY_ALL = (Kind.MESH, "mesh"), (Kind.SERVICE_INTENTIONS, "*")


def compiled(posture: Posture | str) -> tuple[Entry, ...]:
    found = load_posture(ROOT / "stacks", posture, BOOKINFO) if isinstance(posture, str) else posture
    return tuple(entry for entry in compile_entries(BOOKINFO, found) if entry.kind in SECURITY)


def made(**fields: object) -> tuple[Entry, ...]:
    return compiled(Posture.model_validate_json(json.dumps({"description": "made", **fields})).named("made"))


def waits(held: Iterable[Entry], wanted: Iterable[Entry]) -> dict[Key, set[Key]]:
    """Everything that each entry waits for, at whatever remove."""
    found: dict[Key, set[Key]] = {}
    for write in writes(held, wanted):
        found[key(write.entry)] = set(write.after).union(*(found[each] for each in write.after))
    return found


def intentions(name: str) -> Key:
    return Kind.SERVICE_INTENTIONS, name


def defaults(name: str) -> Key:
    return Kind.SERVICE_DEFAULTS, name


def test_in_a_new_mesh_what_a_rule_relies_on_comes_first() -> None:
    after = waits([], compiled("layered-allow"))
    assert {MESH, DENY_ALL, defaults("details")} <= after[intentions("details")]
    assert MESH in after[DENY_ALL]
    assert MESH in after[defaults("details")]


@pytest.mark.parametrize("grants", [[], [{"name": "r", "from": "reviews", "to": "ratings"}]], ids=["closed", "L4"])
def test_a_service_leaves_http_after_its_rules_and_comes_to_it_before(grants: list[dict[str, str]]) -> None:
    """Consul 1.22.7 refuses a protocol that the rules it holds are not for (measured)."""
    ratings = BOOKINFO.services["ratings"].model_copy(update={"protocol": "tcp"})
    services = {
        name: each.model_copy(update={"calls": tuple(call for call in each.calls if call.to != "ratings")})
        for name, each in {**BOOKINFO.services, "ratings": ratings}.items()
    }
    posture = Posture.model_validate_json(json.dumps({"description": "made", "grants": grants})).named("made")
    tcp = compile_entries(BOOKINFO.model_copy(update={"services": services}), posture)
    tcp = tuple(entry for entry in tcp if entry.kind in SECURITY)
    assert intentions("ratings") in waits(compiled("layered-allow"), tcp)[defaults("ratings")]
    assert defaults("ratings") in waits(tcp, compiled("layered-allow"))[intentions("ratings")]


def test_a_limit_comes_before_the_calls_that_it_limits() -> None:
    after = waits(compiled("deny-all"), compiled("rate-limited"))
    assert defaults("productpage") in after[intentions("productpage")]


def test_calls_go_before_the_limit_that_held_them() -> None:
    after = waits(compiled("rate-limited"), compiled("deny-all"))
    assert intentions("productpage") in after[defaults("productpage")]
    assert intentions("details") in after[defaults("productpage")], "nor does anything else loosen before"


def test_the_floor_of_tls_is_raised_before_calls_open_and_lowered_after_they_close() -> None:
    grant = {"name": "g", "from": "fortio", "to": "details"}
    after = waits(made(), made(grants=[grant], mesh={"tlsMinVersion": "TLSv1_3"}))
    assert MESH in after[intentions("details")]
    after = waits(made(grants=[grant], mesh={"tlsMinVersion": "TLSv1_3"}), made())
    assert intentions("details") in after[MESH]


@pytest.mark.parametrize(
    ("floors", "routes", "first"),
    [
        (("TLSv1_2", "TLSv1_3"), BOOKINFO.gateway.routes, True),
        (("TLSv1_3", "TLSv1_2"), BOOKINFO.gateway.routes, False),
        (("TLSv1_3", "TLSv1_3"), BOOKINFO.gateway.routes, False),
        (("TLSv1_2", "TLSv1_3"), BOOKINFO.gateway.routes[1:], False),
    ],
)
def test_the_entrance_comes_first_where_only_its_floor_rises(
    floors: tuple[str, str], routes: tuple[Route, ...], *, first: bool
) -> None:
    before = BOOKINFO.model_copy(update={"gateway": BOOKINFO.gateway.model_copy(update={"routes": routes})})
    held, wanted = (
        compile_entries(application, Posture.model_validate({"description": "made", "mesh": {"tlsMinVersion": floor}}))
        for application, floor in zip((before, BOOKINFO), floors, strict=True)
    )
    assert entrance_first(map(bare, held), wanted) is first
    assert not entrance_first((), wanted), "a new one has no calls before it"


def test_a_call_closes_before_another_opens() -> None:
    first = {"name": "a", "from": "gateway", "to": "productpage"}
    second = {"name": "b", "from": "productpage", "to": "details"}
    after = waits(made(grants=[first]), made(grants=[second]))
    assert intentions("productpage") in after[intentions("details")], "else visitors would see details for a moment"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({}, {}, None),
        ({}, {"permissions": None}, Effect.LOOSENS),
        ({"permissions": None}, {}, Effect.TIGHTENS),
        ({"permissions": None}, {"permissions": [{"pathPrefix": "/a/"}]}, Effect.TIGHTENS),
        ({"permissions": [{"pathPrefix": "/a/"}]}, {"permissions": None}, Effect.LOOSENS),
        ({"permissions": [{"pathPrefix": "/a/"}]}, {"permissions": [{"pathPrefix": "/b/"}]}, Effect.BOTH),
        (
            {"permissions": [{"pathPrefix": "/a/"}]},
            {"permissions": [{"pathPrefix": "/a/"}, {"pathPrefix": "/b/"}]},
            Effect.LOOSENS,
        ),
    ],
)
def test_what_a_write_does_to_calls(old: dict[str, object], new: dict[str, object], expected: Effect | None) -> None:
    before, after = (
        next(
            bare(entry)
            for entry in made(grants=[{"name": "g", "from": "fortio", "to": "details", **fields}] if fields else [])
            if key(entry) == intentions("details")
        )
        for fields in (old, new)
    )
    assert effect(before, after) is expected


def test_a_new_entry_closes_nothing() -> None:
    of_details, of_ratings = (
        next(bare(entry) for entry in made(grants=GRANTED) if key(entry) == intentions(name))
        for name in ("details", "ratings")
    )
    assert effect(None, of_details) is Effect.LOOSENS
    assert effect(None, of_ratings) is Effect.TIGHTENS


def test_a_rate_that_rises_while_its_burst_falls_does_both() -> None:
    slow, fast = (
        next(bare(entry) for entry in made(limits={"details": limit}) if key(entry) == defaults("details"))
        for limit in ({"requestsPerSecond": 5, "burst": 90}, {"requestsPerSecond": 9, "burst": 50})
    )
    assert effect(slow, fast) is Effect.BOTH
    assert effect(fast, slow) is Effect.BOTH


def test_what_was_there_has_to_be_in_force_before_anything_loosens() -> None:
    first = {"name": "a", "from": "gateway", "to": "productpage"}
    second = {"name": "b", "from": "productpage", "to": "details"}
    found = writes(made(grants=[second]), made(grants=[first]))
    [gate] = [write for write in found if write.settles]
    assert gate.settles == (intentions("details"),)
    assert gate.entry.name == "details"


@pytest.mark.parametrize(
    ("old", "new"), [("layered-allow", "deny-all"), ("deny-all", "layered-allow"), ("deny-all", "deny-all")]
)
def test_what_only_tightens_or_only_loosens_waits_for_nothing(old: str, new: str) -> None:
    assert not [write for write in writes(compiled(old), compiled(new)) if write.settles]


def test_a_new_mesh_waits_for_nothing() -> None:
    assert not [write for write in writes((), compiled("rate-limited")) if write.settles]


@pytest.mark.parametrize("loosest", ["deny-all", "rate-limited"])
def test_each_waits_for_few(loosest: str) -> None:
    found = writes(compiled("layered-allow"), compiled(loosest))
    assert sum(len(write.after) for write in found) <= 5 * len(found)


@pytest.mark.parametrize(
    ("old", "new"),
    [(None, ("GET",)), (("GET",), ("GET", "POST")), (("GET", "POST"), ("GET",)), (("GET",), ("POST",))],
)
def test_a_switch_of_many_services_is_a_few_steps(old: tuple[str, ...] | None, new: tuple[str, ...]) -> None:
    held, wanted = (of_many(methods) if methods else () for methods in (old, new))
    depths: dict[Key, int] = {}
    found = writes(held, wanted)
    for write in found:
        depths[key(write.entry)] = 1 + max((depths[each] for each in write.after), default=0)
    assert max(depths.values()) <= 10, "Pulumi's SDK goes down the whole way, one call in another"
    assert sum(bool(write.settles) for write in found) <= 1


def of_many(methods: tuple[str, ...]) -> tuple[Entry, ...]:
    """Each of 300 services may call five others."""
    return tuple(
        Entry(entry.kind, entry.name, json.loads(json.dumps(entry.body).replace('["GET"]', json.dumps(methods))))
        for entry in compile_entries(MANY, many_calls(MANY, "reading"))
        if entry.kind in SECURITY
    )


Call = tuple[str, str, str, str]
"""Source, destination, method, path."""


class Exposure(NamedTuple):
    """A call that is let in, down to which TLS version, and what limits it."""

    call: Call
    floor: str
    limit: Limit | None

    def within(self, end: dict[Call, Exposure]) -> bool:
        other = end.get(self.call)
        if other is None or self.floor < other.floor:
            return False
        limits = ({"": limit} if limit else {} for limit in (other.limit, self.limit))
        return not any(change.loosens for change in limit_changes(*limits))


def exposures(state: Iterable[Entry], calls: Iterable[Call]) -> dict[Call, Exposure]:
    access = Access(state)
    floor = next(entry.body["TLS"]["Incoming"]["TLSMinVersion"] for entry in access.entries if entry.kind is Kind.MESH)
    return {
        call: Exposure(call, floor, access.limits.get(call[1]))
        for call in calls
        if access.decide(Request(*call)).allowed
    }


@settings(max_examples=60, deadline=None)
@given(st.randoms(use_true_random=False))
def test_no_moment_of_a_switch_allows_what_neither_end_does(chance: Random) -> None:
    old, new = (made(**made_posture(chance, BOOKINFO)) for _ in range(2))
    before = {key(entry): entry for entry in old}
    effects = {key(entry): effect(bare(before[key(entry)]), bare(entry)) for entry in new}
    for name in BOOKINFO.services:  # one write each, both ways: then nothing can be said of the moment between
        assume({effects[intentions(name)], effects[defaults(name)]} != {Effect.BOTH})
    wanted = {*samples(BOOKINFO), *rule_samples(Access(old), BOOKINFO), *rule_samples(Access(new), BOOKINFO)}
    calls = [(source, *sample) for sample in sorted(wanted) for source in sorted(BOOKINFO.sources)]
    ends = [exposures(state, calls) for state in (old, new)]
    state, left = dict(before), {key(write.entry): write for write in writes(old, new)}
    while left:
        ready = [each for each, write in left.items() if not any(other in left for other in write.after)]
        written = left.pop(chance.choice(ready)).entry
        state[key(written)] = written
        for exposure in exposures(state.values(), calls).values():
            assert any(exposure.within(end) for end in ends), f"{exposure} after {written.label}"
    assert state == {key(entry): entry for entry in new}
