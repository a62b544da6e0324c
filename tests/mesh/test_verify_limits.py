"""Limits of a real mesh under real load."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from posture.verify.findings import Outcome
from posture.verify.limits import limits_findings
from posture.verify.places import make_room, refused, taken
from posture.verify.upstreams import upstreams_findings
from tests.conftest import eventually
from tests.mesh.conftest import kept

if TYPE_CHECKING:
    from collections.abc import Iterator

    from posture.verify.findings import Finding
    from tests.mesh.conftest import LiveStack

pytestmark = pytest.mark.mesh
WITHIN, BEYOND = "productpage within its limit of 1", "productpage beyond its limit of 1"


def loaded(live: LiveStack) -> dict[str, Finding]:
    target, access = live.questioned()
    return {finding.name: finding for finding in limits_findings(target, live.application, access)}


def wait_for_limit(live: LiveStack, *, there: bool) -> None:
    target, _ = live.questioned()
    eventually(
        lambda: (refused(target, "productpage") is not None) is there,
        f"the limit is still {'not ' if there else ''}there",
    )


@contextlib.contextmanager
def no_limit(live: LiveStack) -> Iterator[None]:
    """The limit taken away past Pulumi, and put back."""
    with live.consul() as consul:
        held = consul.get("/v1/config/service-defaults/productpage").raise_for_status().json()
        consul.put("/v1/config", json={**held, "MaxInboundConnections": 0}).raise_for_status()
        try:
            wait_for_limit(live, there=False)
            yield
        finally:
            consul.put("/v1/config", json=held).raise_for_status()
            wait_for_limit(live, there=True)


def test_a_limit_refuses_beyond_it_and_only_there(live: LiveStack) -> None:
    live.up("rate-limited", "one-connection")
    assert live.page().status_code == 200  # the gateway keeps its connection, and with it the only place
    findings = loaded(live)
    assert {name: finding.outcome for name, finding in findings.items()} == {
        WITHIN: Outcome.HOLDS,
        BEYOND: Outcome.HOLDS,
    }
    assert "503" not in findings[WITHIN].observed
    assert "times 503 on 2 connections; Envoy's limit refused" in findings[BEYOND].observed
    target, _ = live.questioned()
    eventually(lambda: taken(target, "productpage") == 0, "the load's own connections are not given back")
    eventually(lambda: live.page().status_code == 200)


def test_an_up_makes_room_where_a_client_keeps_the_only_connection(live: LiveStack) -> None:
    live.up("rate-limited", "one-connection")
    target, access = live.questioned()
    make_room(target, live.application, access)
    once = ("-c", "1", "-n", "1", "-qps", "0", "-allow-initial-errors")  # Consul's check may have the place

    def keeps_it() -> bool:
        target.load("fortio", "productpage", "/productpage", *once)
        return taken(target, "productpage") == 1

    eventually(keeps_it)
    done = live.project.posture("up", "--stack", live.name)
    assert "could not be asked" not in done.stderr
    assert live.page().status_code == 200


def test_an_up_is_done_where_somebody_keeps_the_only_connection_for_long(live: LiveStack) -> None:
    live.up("rate-limited", "one-connection")
    target, access = live.questioned()
    make_room(target, live.application, access)
    [endpoint] = target.sidecars("productpage")
    with kept(endpoint, target.context("fortio")):
        done = live.project.posture("up", "--stack", live.name)
    assert "productpage could not be asked: its limits left no room for it" in done.stderr


def test_a_limit_that_was_removed_is_found_out(live: LiveStack) -> None:
    live.up("rate-limited", "one-connection")
    with no_limit(live):
        finding = loaded(live)[BEYOND]
    assert finding.outcome is Outcome.FAILS
    assert finding.observed.endswith("times 200 on 2 connections; Envoy has no limit")
    assert loaded(live)[BEYOND].outcome is Outcome.HOLDS


def test_nobody_is_refused_where_nothing_is_limited(live: LiveStack) -> None:
    live.up("layered-allow")
    (finding,) = loaded(live).values()
    assert (finding.name, finding.outcome) == ("productpage without a limit of connections", Outcome.HOLDS)


def test_a_limit_that_no_client_may_try_is_said_to_be_unmeasured(live: LiveStack) -> None:
    (live.project.folder / "stacks" / "tight.yaml").write_text(
        "description: x\nextends: layered-allow\nlimits:\n  details:\n    maxInboundConnections: 5\n"
    )
    live.up("tight")
    findings = [finding for name, finding in loaded(live).items() if name.startswith("details")]
    assert [(finding.outcome, finding.observed) for finding in findings] == [
        (Outcome.NOT_MEASURED, "no client may call it")
    ] * 2
    live.up("layered-allow")


def test_what_a_caller_holds_back_is_read_from_each_of_its_envoys(live: LiveStack) -> None:
    live.up("rate-limited")
    target, access = live.questioned()

    def findings() -> list[tuple[str, Outcome, str]]:
        found = upstreams_findings(target, live.application, access)
        return [(each.name, each.outcome, each.observed) for each in found]

    def wait_for(wanted: list[tuple[str, Outcome, str]]) -> None:
        eventually(lambda: findings() == wanted, "the Envoys are configured otherwise")

    names = [f"what reviews-{version} holds back from ratings" for version in ("v1", "v2", "v3")]
    holds = [(name, Outcome.HOLDS, "so its Envoy is configured; it was not loaded") for name in names]
    wait_for(holds)
    with live.consul() as consul:
        held = consul.get("/v1/config/service-defaults/reviews").raise_for_status().json()
        for change, observed in (
            ({}, "nothing is held back"),
            ({"Limits": {"MaxConnections": 33}}, "33 connections at once"),
        ):
            override = {"Name": "ratings", **change}
            config = {"UpstreamConfig": {"Overrides": [override]}}
            consul.put("/v1/config", json={**held, **config}).raise_for_status()
            try:
                wait_for([(name, Outcome.FAILS, observed) for name in names])
            finally:
                consul.put("/v1/config", json=held).raise_for_status()
    wait_for(holds)
