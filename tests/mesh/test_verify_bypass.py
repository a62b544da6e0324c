"""Attempts to get past the rules of a real mesh: all in vain, until it stops normalising behind our back."""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from posture.local_stack import LocalStack
from posture.model.access import Access
from posture.model.entries import compile_entries
from posture.verify.bypass import bypass_findings
from posture.verify.findings import Outcome
from posture.verify.places import give_back
from posture.verify.raw_http import exchange, request_bytes
from tests.conftest import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from posture.verify.findings import Finding
    from posture.verify.target import Target
    from tests.mesh.conftest import LiveStack

pytestmark = pytest.mark.mesh


def questioned(live: LiveStack) -> tuple[Target, Access]:
    stack = LocalStack(live.project.folder, live.name, Console(quiet=True))
    return stack.target(stack.mesh()), Access(compile_entries(*stack.load()))


def tried(live: LiveStack) -> dict[str, Finding]:
    target, access = questioned(live)
    return {finding.name: finding for finding in bypass_findings(target, live.application, access)}


def status_of(live: LiveStack, path: str) -> int:
    target, _ = questioned(live)
    request = request_bytes("GET", path, [("Host", "details")])
    return exchange(target.context("productpage"), target.sidecars("details")[0], request).responses[0].status


def wait_for(live: LiveStack, path: str, status: int) -> None:
    eventually(lambda: status_of(live, path) == status, f"{path} does not get {status}")


@contextlib.contextmanager
def normalization(live: LiveStack, settings: dict[str, Any]) -> Iterator[None]:
    """The mesh with other settings, written past Pulumi and written back."""
    with live.consul() as consul:
        held = consul.get("/v1/config/mesh/mesh").raise_for_status().json()
        changed = {**held, "HTTP": {**held["HTTP"], "Incoming": {"RequestNormalization": settings}}}
        consul.put("/v1/config", json=changed).raise_for_status()
        try:
            wait_for(live, "/details/..%2fhealth", 404)
            yield
        finally:
            consul.put("/v1/config", json=held).raise_for_status()
            wait_for(live, "/details/..%2fhealth", 400)


def by_outcome(findings: dict[str, Finding], outcome: Outcome) -> dict[str, str]:
    return {name: finding.observed for name, finding in findings.items() if finding.outcome is outcome}


@pytest.mark.parametrize("posture", ["deny-all", "layered-allow", "rate-limited"])
def test_no_attempt_gets_past_a_shipped_posture(live: LiveStack, posture: str) -> None:
    live.up(posture)
    live.page()  # leaves the gateway with an idle connection, which takes a place where places are limited
    findings = tried(live)
    assert by_outcome(findings, Outcome.FAILS) == {}
    assert by_outcome(findings, Outcome.NOT_MEASURED) == {}
    destinations = {name.partition(":")[0].rpartition("→")[2].strip() for name in findings}
    assert destinations == set(live.application.services)
    over_http2 = [finding.observed for name, finding in findings.items() if name.endswith("over HTTP/2")]
    assert over_http2
    assert all("denied by rule" in observed for observed in over_http2), "it is spoken, and the rules hold"


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
    live.up("rate-limited")
    target, access = questioned(live)
    sidecar = target.sidecars("productpage")[0]
    give_back(target, live.application, access, "productpage")
    with contextlib.ExitStack() as held:
        # this one is nobody's to give back
        plain = held.enter_context(socket.create_connection((sidecar.host, sidecar.port)))
        connection = held.enter_context(target.context("gateway").wrap_socket(plain))
        connection.sendall(request_bytes("GET", "/health", [("Host", "productpage")]))
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")
        found = [
            finding
            for finding in bypass_findings(target, live.application, access)
            if "details → productpage" in finding.name
        ]
    assert [finding.outcome for finding in found] == [Outcome.NOT_MEASURED]
    assert found[0].observed.startswith("closed")
    assert " at productpage-v1: GET " in found[0].observed
