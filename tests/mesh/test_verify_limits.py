"""Limits of a real mesh under real load."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from posture.local_stack import LocalStack
from posture.model.access import Access
from posture.model.entries import compile_entries
from posture.verify.findings import Outcome
from posture.verify.limits import limits_findings
from posture.verify.places import refused, taken
from tests.conftest import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from posture.verify.findings import Finding
    from posture.verify.target import Target
    from tests.mesh.conftest import LiveStack

pytestmark = pytest.mark.mesh
WITHIN, BEYOND = "productpage within its limit of 1", "productpage beyond its limit of 1"


def questioned(live: LiveStack) -> tuple[Target, Access]:
    stack = LocalStack(live.project.folder, live.name, Console(quiet=True))
    return stack.target(stack.mesh()), Access(compile_entries(*stack.load()))


def loaded(live: LiveStack) -> dict[str, Finding]:
    target, access = questioned(live)
    return {finding.name: finding for finding in limits_findings(target, live.application, access)}


def wait_for_limit(live: LiveStack, *, there: bool) -> None:
    target, _ = questioned(live)
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
    live.up("rate-limited")
    assert live.page().status_code == 200  # the gateway keeps its connection, and with it the only place
    findings = loaded(live)
    assert {name: finding.outcome for name, finding in findings.items()} == {
        WITHIN: Outcome.HOLDS,
        BEYOND: Outcome.HOLDS,
    }
    assert "503" not in findings[WITHIN].observed
    assert "times 503 on 2 connections; Envoy's limit refused" in findings[BEYOND].observed
    assert taken(questioned(live)[0], "productpage") == 0, "the load's own connections are given back"
    assert live.page().status_code == 200


def test_a_limit_that_was_removed_is_found_out(live: LiveStack) -> None:
    live.up("rate-limited")
    with no_limit(live):
        finding = loaded(live)[BEYOND]
    assert finding.outcome is Outcome.FAILS
    assert finding.observed.endswith("times 200 on 2 connections; Envoy has no limit")
    assert loaded(live)[BEYOND].outcome is Outcome.HOLDS


def test_nobody_is_refused_where_nothing_is_limited(live: LiveStack) -> None:
    live.up("layered-allow")
    (finding,) = loaded(live).values()
    assert (finding.name, finding.outcome) == ("productpage without a limit", Outcome.HOLDS)


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
