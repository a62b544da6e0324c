"""What is said of an Envoy that doesn't tell what it holds back, or doesn't hold anything."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from posture.model.access import Access
from posture.model.application import load_application
from posture.model.entries import compile_entries
from posture.model.posture import load_posture
from posture.verify.findings import Outcome
from posture.verify.upstreams import upstreams_findings

if TYPE_CHECKING:
    from posture.verify.target import Target

PROJECT = Path(__file__).parents[2]
BOOKINFO = load_application(PROJECT / "apps" / "bookinfo.yaml")
LIMITED = Access(compile_entries(BOOKINFO, load_posture(PROJECT / "stacks", "rate-limited", BOOKINFO)))
OF_DETAILS = {"configs": [{"cluster": {"name": "details.default.dc1.internal.x.consul"}}]}
OF_RATINGS = {"configs": [{"cluster": {"name": "ratings.default.dc1.internal.x.consul"}}]}


class Telling:
    """A mesh whose Envoys all say the same."""

    def __init__(self, dump: str | None) -> None:
        self.dump = dump

    def instances(self, service: str) -> list[str]:
        return [f"{service}-v1"]

    def envoy(self, _instance: str, _path: str) -> str | None:
        return self.dump


@pytest.mark.parametrize(
    ("dump", "outcome", "observed"),
    [
        (None, Outcome.NOT_MEASURED, "its Envoy's admin API doesn't answer"),
        ("{}", Outcome.NOT_MEASURED, "its Envoy knows no such upstream"),
        (json.dumps(OF_DETAILS), Outcome.NOT_MEASURED, "its Envoy knows no such upstream"),
        (json.dumps(OF_RATINGS), Outcome.FAILS, "nothing is held back"),
    ],
)
def test_only_what_an_envoy_says_holds(dump: str | None, outcome: Outcome, observed: str) -> None:
    (found,) = upstreams_findings(cast("Target", Telling(dump)), BOOKINFO, LIMITED)
    assert (found.name, found.outcome, found.observed) == (
        "what reviews-v1 holds back from ratings",
        outcome,
        observed,
    )
    assert found.expected == (
        "32 connections at once, 32 pending requests at once, 64 requests at once, "
        "without an instance for 10 s after 5 failures in a row, looking each 5 s who comes back, "
        "leaving out 50 % of them at most"
    )
