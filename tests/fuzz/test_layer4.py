"""Calls to a tcp service, asked as `posture verify` asks them: of a real sidecar, whose counters are the witness."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from posture.model.access import Access, Request
from posture.model.entries import Entry, Kind
from posture.model.matrix import UNKNOWN, matrix
from posture.verify.agreement import declared_requests
from posture.verify.cells import observed_cells
from posture.verify.findings import Outcome
from posture.verify.layer4 import ask_layer4
from tests.fuzz.cases import DEFAULTS, Case
from tests.fuzz.lab import application

if TYPE_CHECKING:
    from tests.fuzz.lab import Lab

pytestmark = pytest.mark.mesh

MAY_CALL = Entry(Kind.SERVICE_INTENTIONS, "cache", {"Sources": [{"Name": "web", "Action": "allow"}]})
NOBODY = Entry(Kind.SERVICE_INTENTIONS, "cache", {"Sources": [{"Name": "web", "Action": "deny"}]})


def observed(lab: Lab, model: Entry) -> dict[str, tuple[str | int, Outcome]]:
    answers = matrix(Access((*DEFAULTS, model)), application())
    cells = observed_cells(answers, application(), lab.target, timeout=1)
    return {each.cell.source: (each.observed, each.outcome) for each in cells if each.cell.destination == "cache"}


def test_a_tcp_service_lets_through_whom_it_may(lab: Lab) -> None:
    lab.apply(Case((MAY_CALL,), ()))
    found = observed(lab, MAY_CALL)
    assert found["web"] == ("let through", Outcome.HOLDS)
    assert {found[name] for name in ("api", "db", UNKNOWN)} == {("refused", Outcome.HOLDS)}


def test_a_model_that_says_otherwise_is_red(lab: Lab) -> None:
    lab.apply(Case((MAY_CALL,), ()))
    found = observed(lab, NOBODY)
    assert found["web"] == ("let through", Outcome.FAILS)
    assert found["api"] == ("refused", Outcome.HOLDS)
    lab.apply(Case((NOBODY,), ()))
    assert observed(lab, MAY_CALL)["web"] == ("refused", Outcome.FAILS)


def test_who_has_no_certificate_gets_nothing_that_could_be_taken_for_a_rule(lab: Lab) -> None:
    (answer,) = ask_layer4(lab.target, Request(None, "cache"))
    assert not answer.denied
    assert not answer.passed_on


def test_declared_calls_to_tcp_services_are_asked_too() -> None:
    service = (
        application()
        .services["web"]
        .model_validate({"port": 9080, "command": ("run",), "calls": ({"to": "cache", "path": "/"},)})
    )
    calling = application().model_copy(update={"services": {**application().services, "web": service}})
    assert Request("web", "cache") in declared_requests(calling)
