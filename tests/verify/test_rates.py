"""What a verification makes of loads on rates, with made-up answers."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from posture.model.access import Access
from posture.model.application import load_application
from posture.model.entries import compile_entries
from posture.model.limits import Limit, Rate
from posture.model.posture import load_posture
from posture.verify import rates
from posture.verify.findings import Outcome
from posture.verify.meetings import meetings
from posture.verify.rates import Load, rates_findings
from posture.verify.raw_http import Exchange, Response
from posture.verify.target import Endpoint, Offered, Pace, Reply

if TYPE_CHECKING:
    from posture.verify.meetings import Meeting
    from posture.verify.target import NearTarget

ROOT = Path(__file__).parents[2]
APPLICATION = load_application(ROOT / "apps" / "bookinfo.yaml")
RATE = Rate(requests_per_second=10, burst=10)
NAME = "productpage: 10/s per caller"


def refusal(by: str = "productpage 10/s per caller") -> Response:
    return Response(429, {"x-rate-limited-by": by, "retry-after": "1"}, b"")


@dataclass
class PacedMesh:
    """Lets through so many a second after a burst, of those that it can be sent."""

    rate: float = 10
    burst: int = 10
    error: int | None = None
    fewer: float = 1
    named: str = "productpage 10/s per caller"
    again: int = 200
    paces: list[Pace] = field(default_factory=list)

    def offer(self, source: str | None, endpoint: Endpoint, pace: Pace) -> Offered:
        del source, endpoint
        self.paces.append(pace)
        replies = []
        passed = 0
        for number in range(int(pace.per_second * pace.seconds * self.fewer)):
            at = number / (pace.per_second * self.fewer)
            status = 429
            if passed < self.burst + self.rate * at:
                passed, status = passed + 1, 200
            replies.append(Reply(at, 0.001, self.error if self.error and number == 7 else status))
        return Offered(0, tuple(replies), 0)

    def sidecars(self, service: str) -> list[Endpoint]:
        return [Endpoint(f"{service}-v1", "", 0)]

    def entrance(self) -> Endpoint:
        return Endpoint("gateway", "", 0)

    def envoy(self, instance: str, path: str) -> str:
        del instance, path
        return '{"command_line_options": {"concurrency": 2}}'

    def context(self, source: str | None) -> Any:
        return source


def access_of(limits: str, folder: Path) -> Access:
    (folder / "p.yaml").write_text(
        "description: x\ngrants:\n  - {name: a, from: gateway, to: productpage}\n"
        f"  - {{name: b, from: fortio, to: productpage}}\nlimits: {limits}\n"
    )
    return Access(compile_entries(APPLICATION, load_posture(folder, "p", APPLICATION)))


def met(mesh: PacedMesh, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Any]:
    answers = itertools.chain([refusal(mesh.named)], itertools.repeat(Response(mesh.again, {}, b"")))
    monkeypatch.setattr(rates, "exchange", lambda *_, **__: Exchange((next(answers),), "", connected=True, peer=""))
    monkeypatch.setattr("time.sleep", lambda _: None)
    access = access_of("{productpage: {perCaller: {requestsPerSecond: 10, burst: 10}}}", tmp_path)
    [meeting, *_] = found(access, mesh, "productpage", "per caller")
    return Load(cast("NearTarget", mesh), APPLICATION).meet(NAME, meeting, RATE)


def found(access: Access, mesh: PacedMesh, service: str, aspect: str | None) -> list[Meeting]:
    return list(meetings(cast("NearTarget", mesh), APPLICATION, access, service, aspect))


def test_a_rate_that_is_kept_holds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    mesh = PacedMesh()
    first, again = met(mesh, monkeypatch, tmp_path)
    assert (first.outcome, again.outcome) == (Outcome.HOLDS, Outcome.HOLDS)
    assert first.observed == "40 of 80 let through; the rest by productpage 10/s per caller, to come back in 1 s"
    assert first.figures == {"200": 40, "429": 40}
    assert again.observed.startswith("5 of 5 let through")
    assert [pace.per_second for pace in mesh.paces] == [pytest.approx(2 * (10 * 3 + 10) / 3)]


def test_the_course_of_a_load_adds_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    first, _ = met(PacedMesh(), monkeypatch, tmp_path)
    assert sum(moment.offered for moment in first.moments) / len(first.moments) == pytest.approx(26.7, rel=0.1)
    assert first.moments[0].admitted == first.moments[0].offered, "the burst"
    assert sum(moment.admitted for moment in first.moments[-6:]) / 6 == pytest.approx(10, rel=0.3), "the rate"


@pytest.mark.parametrize(
    "mesh",
    [
        PacedMesh(rate=20),
        PacedMesh(rate=5),
        PacedMesh(burst=30),
        PacedMesh(error=503),
        PacedMesh(named="productpage 5/s in all"),
    ],
    ids=["too fast", "too slow", "too big a burst", "a 5xx", "another limit's refusals"],
)
def test_a_rate_that_is_not_kept_fails(mesh: PacedMesh, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert met(mesh, monkeypatch, tmp_path)[0].outcome is Outcome.FAILS


def test_a_rate_that_does_not_recover_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert met(PacedMesh(again=429), monkeypatch, tmp_path)[1].outcome is Outcome.FAILS


def test_nothing_is_claimed_where_too_few_could_be_sent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    mesh = PacedMesh(fewer=0.5)
    first, _ = met(mesh, monkeypatch, tmp_path)
    assert (first.outcome, first.observed) == (Outcome.NOT_MEASURED, "only 40 could be sent in time")
    assert len(mesh.paces) == 3, "it is tried again"


@pytest.mark.parametrize(
    ("rate", "why"),
    [
        (Rate(requests_per_second=0.1, burst=1), "would take 90 s"),
        (Rate(requests_per_second=1, burst=60), "would take 60 s"),
        (Rate(requests_per_second=5000), "would take 13333 requests a second"),
    ],
)
def test_what_would_take_too_much_is_not_measured(rate: Rate, why: str, tmp_path: Path) -> None:
    words = f"{{requestsPerSecond: {rate.requests_per_second}, burst: {rate.capacity}}}"
    access = access_of(f"{{productpage: {words}}}", tmp_path)
    [meeting, *_] = found(access, PacedMesh(), "productpage", "in all")
    [finding] = Load(cast("NearTarget", PacedMesh()), APPLICATION).meet(NAME, meeting, rate)
    assert (finding.outcome, finding.observed) == (Outcome.NOT_MEASURED, why)


def test_a_rate_is_met_by_who_is_allowed_and_meets_no_other_first(tmp_path: Path) -> None:
    access = access_of(
        "{productpage: {requestsPerSecond: 50, perCaller: {requestsPerSecond: 20}, "
        "routes: [{pathExact: /login, requestsPerSecond: 5}]}, gateway: {requestsPerSecond: 30}}",
        tmp_path,
    )
    mesh = PacedMesh()
    assert found(access, mesh, "productpage", "in all") == [], "a caller's own rate is used up before"
    assert {each.path for each in found(access, mesh, "productpage", "of /login")} == {"/login"}
    callers = found(access, mesh, "productpage", "per caller")
    assert [each.source for each in callers if each.path == "/productpage"] == ["fortio", "gateway"] * 2
    assert found(access, mesh, "gateway", "in all") == [], "all visitors are one caller of the page"
    assert found(access, mesh, "details", None) == [], "nobody may call it"


def test_a_gateway_of_several_workers_takes_many_connections(tmp_path: Path) -> None:
    access = access_of("{gateway: {requestsPerSecond: 10}}", tmp_path)
    assert {each.connections for each in found(access, PacedMesh(), "gateway", "in all")} == {32}
    assert {each.connections for each in found(access, PacedMesh(), "productpage", None)} == {4}


def test_a_greedy_caller_must_not_cost_a_polite_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    access = access_of("{productpage: {perCaller: {requestsPerSecond: 10, burst: 10}}}", tmp_path)
    for mesh, outcome in ((PacedMesh(), Outcome.HOLDS), (PacedMesh(rate=1, burst=3), Outcome.FAILS)):
        several = [each for each in found(access, mesh, "productpage", "per caller") if each.path == "/logout"]
        finding = Load(cast("NearTarget", mesh), APPLICATION).share("a greedy one", several, RATE)
        assert finding.outcome is outcome, finding


@pytest.mark.parametrize(
    ("limit", "why"),
    [
        ("{perCaller: {requestsPerSecond: 10}, maxInboundConnections: 5}", "too few connections for two callers"),
        ("{perCaller: {requestsPerSecond: 0.5}}", "what is sent before the first request that is noted uses it up"),
    ],
)
def test_two_callers_are_not_tried_where_that_would_say_nothing(limit: str, why: str, tmp_path: Path) -> None:
    access, mesh = access_of(f"{{productpage: {limit}}}", tmp_path), PacedMesh()
    several = [each for each in found(access, mesh, "productpage", "per caller") if each.path == "/logout"]
    [(_, rate)] = several[0].rates
    finding = Load(cast("NearTarget", mesh), APPLICATION).share("a greedy one", several, rate)
    assert finding.outcome is Outcome.NOT_MEASURED
    assert why in finding.observed
    assert mesh.paces == []


def test_a_polite_caller_loses_no_more_than_a_token_before_its_first_noted_request(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    access, mesh = access_of("{productpage: {perCaller: {requestsPerSecond: 5, burst: 4}}}", tmp_path), PacedMesh()
    several = [each for each in found(access, mesh, "productpage", "per caller") if each.path == "/logout"]
    Load(cast("NearTarget", mesh), APPLICATION).share("a greedy one", several, Rate(requests_per_second=5, burst=4))
    assert sorted(pace.connections for pace in mesh.paces) == [1, 4]


@pytest.mark.parametrize(("places", "connections"), [(1, None), (3, 3), (100, 4)])
def test_no_more_connections_are_opened_than_a_service_takes(
    places: int, connections: int | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    monkeypatch.setattr(rates, "exchange", lambda *_, **__: Exchange((refusal(),), "", connected=True, peer=""))
    words = f"{{requestsPerSecond: 10, burst: 10, maxInboundConnections: {places}}}"
    access, mesh = access_of(f"{{productpage: {words}}}", tmp_path), PacedMesh()
    [meeting, *_] = found(access, mesh, "productpage", "in all")
    first, *_ = Load(cast("NearTarget", mesh), APPLICATION).meet(NAME, meeting, RATE)
    assert {pace.connections for pace in mesh.paces} == ({connections} if connections else set())
    assert connections or first.observed == "its only connection is now and then taken by Consul's check"


def test_what_one_of_several_workers_has_of_a_rate_is_asked_back(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    served = Exchange((Response(200, {}, b""),), "", connected=True, peer="")
    monkeypatch.setattr(rates, "exchange", lambda *_, **__: served)
    access = access_of("{productpage: {requestsPerSecond: 2, burst: 4}}", tmp_path)
    [meeting, *_] = found(access, PacedMesh(rate=2, burst=4), "productpage", "in all")
    load = Load(cast("NearTarget", PacedMesh(rate=2, burst=4)), APPLICATION)
    again = load.meet(NAME, meeting, Rate(requests_per_second=2, burst=4))[1]
    assert again.observed == "2 of 2 let through, 2.1 s later", "two workers have two tokens each"


def test_instances_that_were_not_loaded_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    class Three(PacedMesh):
        def sidecars(self, service: str) -> list[Endpoint]:
            return [Endpoint(f"{service}-v{number}", "", 0) for number in (1, 2, 3)]

    monkeypatch.setattr(rates, "meetings", lambda *_: iter(()))
    access = Access([])
    monkeypatch.setattr(access, "limits", {"reviews": Limit.model_validate({"requestsPerSecond": 5})}, raising=False)
    found = {each.name: each.outcome for each in rates_findings(cast("NearTarget", Three()), APPLICATION, access)}
    assert found["reviews: rates at reviews-v2, reviews-v3"] is Outcome.NOT_MEASURED
