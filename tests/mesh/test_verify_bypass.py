"""Attempts to get past the rules of a real mesh: all in vain, until it stops normalising behind our back."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from posture.verify.bypass import bypass_findings
from posture.verify.findings import Outcome
from posture.verify.places import give_back
from posture.verify.raw_http import exchange, request_bytes
from posture.verify.verdicts import Met, met
from tests.conftest import eventually
from tests.mesh.conftest import kept

if TYPE_CHECKING:
    from collections.abc import Iterator

    from posture.verify.findings import Finding
    from posture.verify.target import NearTarget
    from tests.mesh.conftest import LiveStack

pytestmark = pytest.mark.mesh


def tried(live: LiveStack) -> dict[str, Finding]:
    target, access = live.questioned()
    return {finding.name: finding for finding in bypass_findings(target, live.application, access)}


def wait_for(target: NearTarget, wanted: Met) -> None:
    """Until every sidecar takes a path with an escaped slash as it should; each hears of a change by itself."""
    ways = [("productpage", "details"), ("productpage", "reviews"), ("reviews", "ratings"), ("gateway", "productpage")]
    prefix = {"productpage": "static"}

    def found() -> set[Met]:
        return {
            met(exchange(target.context(source), sidecar, request_bytes("GET", path, [("Host", name)])))[0]
            for source, name in ways
            for sidecar in target.sidecars(name)
            for path in [f"/{prefix.get(name, name)}/..%2fhealth"]
        }

    eventually(lambda: found() == {wanted}, f"not every sidecar has it {wanted}")


@contextlib.contextmanager
def normalization(live: LiveStack, settings: dict[str, Any]) -> Iterator[None]:
    """The mesh with other settings, written past Pulumi and written back."""
    target, _ = live.questioned()
    with live.consul() as consul:
        held = consul.get("/v1/config/mesh/mesh").raise_for_status().json()
        changed = {**held, "HTTP": {**held["HTTP"], "Incoming": {"RequestNormalization": settings}}}
        consul.put("/v1/config", json=changed).raise_for_status()
        try:
            wait_for(target, Met.ANSWERED)
            yield
        finally:
            consul.put("/v1/config", json=held).raise_for_status()
            wait_for(target, Met.REFUSED)


def by_outcome(findings: dict[str, Finding], outcome: Outcome) -> dict[str, str]:
    return {name: finding.observed for name, finding in findings.items() if finding.outcome is outcome}


@pytest.mark.parametrize(
    ("posture", "through"), [("deny-all", None), ("layered-allow", None), ("rate-limited", "one-connection")]
)
def test_no_attempt_gets_past_a_shipped_posture(live: LiveStack, posture: str, through: str | None) -> None:
    live.up(posture, through)
    live.page()  # leaves the gateway with an idle connection, which takes a place where places are limited
    findings = tried(live)
    assert by_outcome(findings, Outcome.FAILS) == {}
    assert by_outcome(findings, Outcome.NOT_MEASURED) == {}
    destinations = {name.partition(":")[0].rpartition("→")[2].strip() for name in findings}
    assert destinations == set(live.application.services)
    over_http2 = {name: each.observed for name, each in findings.items() if name.endswith("over HTTP/2")}
    at_sidecars = [observed for name, observed in over_http2.items() if not name.startswith("visitor")]
    assert len(over_http2) > len(at_sidecars) > 0
    assert all("denied by rule" in observed for observed in at_sidecars), "it is spoken, and the rules hold"


def test_a_mesh_that_does_not_normalise_is_found_out(live: LiveStack) -> None:
    live.up("layered-allow")
    with normalization(live, {"InsecureDisablePathNormalization": True}):
        failing = by_outcome(tried(live), Outcome.FAILS)
    assert {
        "productpage → details: dot segments",
        "productpage → details: escaped slashes",
        "productpage → reviews: dot segments",
        "reviews → ratings: escaped slashes",
        "productpage → details: over HTTP/2",
    } <= failing.keys()
    assert (
        "answered (404) where the model denies at details-v1: GET /details/../outside, "
        in (failing["productpage → details: dot segments"])
    )
    three = "at reviews-v1, reviews-v2, reviews-v3: GET /reviews/../outside, "
    assert three in failing["productpage → reviews: dot segments"], "said once for all instances"
    assert not [name for name in failing if name.startswith("fortio")], "who has no grant gets in by no path"
    assert by_outcome(tried(live), Outcome.FAILS) == {}


def test_a_mesh_that_takes_escaped_slashes_is_found_out(live: LiveStack) -> None:
    live.up("layered-allow")
    with normalization(live, {"MergeSlashes": True, "HeadersWithUnderscoresAction": "REJECT_REQUEST"}):
        failing = by_outcome(tried(live), Outcome.FAILS)
    limited = "productpage → details", "productpage → reviews", "reviews → ratings"
    pairs = (*limited, "visitor → gateway → productpage")
    assert failing.keys() == {f"{pair}: {family}" for pair in pairs for family in ("escaped slashes", "over HTTP/2")}


def test_nothing_is_claimed_where_others_hold_all_connections(live: LiveStack) -> None:
    live.up("rate-limited", "one-connection")
    target, access = live.questioned()
    sidecar = target.sidecars("productpage")[0]
    give_back(target, live.application, access, "productpage")
    with contextlib.ExitStack() as held:
        # this one is nobody's to give back
        connection = held.enter_context(kept(sidecar, target.context("gateway")))
        connection.sendall(request_bytes("GET", "/health", [("Host", "productpage")]))
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")
        found = [
            finding
            for finding in bypass_findings(target, live.application, access)
            if "details → productpage" in finding.name
        ]
    assert [finding.outcome for finding in found] == [Outcome.NOT_MEASURED] * 2, "over HTTP/2, neither"
    assert found[0].observed.startswith("closed")
    assert " at productpage-v1: GET " in found[0].observed
