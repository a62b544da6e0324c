"""When a call agrees, when it differs, and when nothing can be said of it; for answers that a mesh gives at will."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from posture.local.probing import Answer
from posture.model.access import Access, Arrival, Request
from posture.model.application import Application, load_application
from posture.model.entries import compile_entries
from posture.model.matrix import Sample, matrix
from posture.model.posture import load_posture
from posture.verify.agreement import settle
from posture.verify.cells import observed_cells, unmeasured_findings
from posture.verify.findings import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from posture.verify.attempts import Attempt
    from posture.verify.findings import ObservedCell

ROOT = Path(__file__).parents[2]
DENIED = Answer(403, "RBAC: access denied")
SERVED = Answer(200, "a page", passed_on=True)
NOWHERE = Answer(404, "")
SILENT = Answer(None, "EOF occurred in violation of protocol")


@dataclass
class ToldMesh:
    """A mesh that answers as the model does, unless it is told otherwise for an instance."""

    application: Application
    access: Access
    told: dict[str, Callable[[Request], Answer]] = field(default_factory=dict)
    at_gateway: Callable[[Arrival], Answer] | None = None
    connections: int = 0
    asked: list[Request | Arrival] = field(default_factory=list)
    busy: Counter[str] = field(default_factory=Counter)
    busiest: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, request: Request) -> list[Answer]:
        with self.lock:
            self.busy[request.destination] += 1
            self.busiest[request.destination] = max(self.busiest[request.destination], self.busy[request.destination])
            self.asked.append(request)
        usual = SERVED if self.access.decide(request).allowed else DENIED
        names = self.instances(request.destination)
        answers = [self.told[name](request) if name in self.told else usual for name in names]
        with self.lock:
            self.busy[request.destination] -= 1
        return answers

    def enter(self, arrival: Arrival) -> Answer:
        self.asked.append(arrival)
        if self.at_gateway:
            return self.at_gateway(arrival)
        decisions = [self.access.enter(arrival, name) for name in self.application.services]
        if any(decision.allowed for decision in decisions):
            return SERVED
        by_intention = any(decision.status == 403 for decision in decisions)
        return Answer(403, "RBAC: access denied", passed_on=True) if by_intention else NOWHERE

    def instances(self, service: str) -> list[str]:
        return [f"{service}-{version}" for version in self.application.services[service].versions]

    near = None
    unread = None

    def proxies(self) -> list[str]:
        raise NotImplementedError

    def envoy(self, instance: str, path: str) -> str | None:
        assert instance
        return f"connection_limit.inbound_connection_limit.active_connections: {self.connections}" if path else None

    def knock(self, service: str, path: str) -> list[tuple[str, Attempt]]:
        raise NotImplementedError(service, path)

    def health_checks(self, _instance: str) -> dict[int, str]:
        return {20300: "/health"}

    def entries(self) -> list[dict[str, Any]]:
        raise NotImplementedError

    def load(self, source: str, destination: str, path: str, *options: str) -> dict[str, Any]:
        raise NotImplementedError(source, destination, path, options)


def mesh_under(posture: str, application: Application | None = None, through: str | None = None) -> ToldMesh:
    application = application or load_application(ROOT / "apps" / "bookinfo.yaml")
    chosen = load_posture(ROOT / "stacks", posture, application)
    chosen = chosen.through(through) if through else chosen
    return ToldMesh(application, Access(compile_entries(application, chosen)))


@pytest.fixture
def mesh() -> ToldMesh:
    return mesh_under("layered-allow")


def observed(mesh: ToldMesh, timeout: float = 0.2, wanted: list[Sample] | None = None) -> list[ObservedCell]:
    return observed_cells(matrix(mesh.access, mesh.application, "p", wanted), mesh.application, mesh, timeout)


def failing(cells: list[ObservedCell]) -> dict[tuple[str, str, str], int | str]:
    return {
        (each.cell.source, each.cell.destination, f"{each.cell.method} {each.cell.path}"): each.observed
        for each in cells
        if each.outcome is Outcome.FAILS
    }


def test_a_mesh_that_answers_as_the_model_agrees_in_every_cell(mesh: ToldMesh) -> None:
    cells = observed(mesh)
    assert len(cells) == len(mesh.asked) == 96
    assert {each.outcome for each in cells} == {Outcome.HOLDS}
    assert [each.cell for each in cells] == list(matrix(mesh.access, mesh.application).cells())


def test_every_instance_has_to_agree(mesh: ToldMesh) -> None:
    mesh.told["reviews-v2"] = lambda _: SERVED
    found = failing(observed(mesh))
    assert ("fortio", "reviews", "GET /reviews/0") in found
    assert "reviews-v2: 200 from the application" in str(found["fortio", "reviews", "GET /reviews/0"])
    assert ("productpage", "reviews", "GET /reviews/0") not in found


def test_a_403_of_the_application_is_no_denial(mesh: ToldMesh) -> None:
    mesh.told["details-v1"] = lambda _: Answer(403, "not for you", passed_on=True)
    found = failing(observed(mesh))
    assert found["fortio", "details", "GET /details/0"] == "403 from the application"
    assert ("productpage", "details", "GET /details/0") not in found, "it was let in"


def test_a_404_of_the_application_is_not_that_of_a_gateway_without_a_route(mesh: ToldMesh) -> None:
    mesh.at_gateway = lambda _: Answer(404, "Not Found", passed_on=True)
    found = failing(observed(mesh))
    assert found["gateway", "details", "GET /details/0"] == "404 from the application"
    assert ("gateway", "productpage", "GET /productpage") not in found, "it was let in"


def test_a_denial_where_the_model_has_no_route_differs(mesh: ToldMesh) -> None:
    mesh.at_gateway = lambda _: DENIED
    assert failing(observed(mesh))["gateway", "details", "GET /"] == 403


def test_a_denial_that_the_application_relays_is_none(mesh: ToldMesh) -> None:
    mesh.told["details-v1"] = lambda _: Answer(403, "RBAC: access denied", passed_on=True)
    assert ("fortio", "details", "GET /details/0") in failing(observed(mesh)), "its sidecar has let the call in"


def test_every_instance_behind_the_gateway_has_to_agree() -> None:
    application = load_application(ROOT / "apps" / "bookinfo.yaml")
    page = application.services["productpage"].model_copy(update={"versions": ("v1", "v2")})
    services = {**application.services, "productpage": page}
    mesh = mesh_under("layered-allow", application.model_copy(update={"services": services}))
    mesh.told["productpage-v2"] = lambda _: DENIED
    found = failing(observed(mesh))
    assert found["gateway", "productpage", "GET /productpage"] == (
        "productpage-v1: 200 from the application, productpage-v2: 403"
    ), "a visit may meet v1 alone"


def test_silence_differs(mesh: ToldMesh) -> None:
    mesh.told["details-v1"] = lambda _: SILENT
    found = failing(observed(mesh))
    assert found["fortio", "details", "GET /details/0"] == SILENT.words
    assert found["productpage", "details", "GET /details/0"] == SILENT.words


def test_silence_of_a_destination_whose_limit_is_reached_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("posture.verify.agreement._PATIENCE_WITH_LIMITS", 0.1)
    mesh = mesh_under("rate-limited", through="one-connection")
    mesh.told["productpage-v1"] = lambda _: SILENT
    mesh.connections = 1
    cells = observed(mesh, timeout=5)
    assert failing(cells) == {}
    [finding] = unmeasured_findings(cells)
    assert (finding.name, finding.outcome) == ("productpage", Outcome.NOT_MEASURED)
    assert "others hold all the connections" in finding.observed
    assert "35 calls" in finding.observed


def test_a_port_without_a_process_is_excused_by_no_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("posture.verify.agreement._PATIENCE_WITH_LIMITS", 0.1)
    mesh = mesh_under("rate-limited")
    mesh.connections = 1000
    mesh.told["productpage-v1"] = lambda _: Answer(None, "[Errno 111] Connection refused")
    assert "Connection refused" in str(failing(observed(mesh))["fortio", "productpage", "GET /productpage"])


def test_a_rate_excuses_the_request_that_met_it_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("posture.verify.agreement._PATIENCE_WITH_LIMITS", 0.1)
    mesh = mesh_under("rate-limited")
    limited = Answer(429, "over the limit of gateway: 1/s in all")
    mesh.at_gateway = lambda arrival: limited if arrival.method == "GET" else Answer(503, "no healthy upstream")
    found = {
        (each.cell.method, each.outcome)
        for each in observed(mesh)
        if each.cell.source == "gateway" and each.cell.destination == "productpage"
    }
    assert ("GET", Outcome.NOT_MEASURED) in found
    assert ("POST", Outcome.FAILS) in found


def test_silence_of_a_destination_with_connections_left_differs() -> None:
    mesh = mesh_under("rate-limited", through="one-connection")
    mesh.told["productpage-v1"] = lambda _: SILENT
    assert ("fortio", "productpage", "GET /productpage") in failing(observed(mesh))


def limited(name: str) -> Answer:
    return Answer(429, f"over the limit of {name}: 5/s per caller")


def test_a_limiter_stands_behind_the_rules_so_its_refusal_says_that_they_allow() -> None:
    mesh = mesh_under("layered-allow")
    mesh.told["details-v1"] = lambda _: limited("details")
    cells = observed(mesh)
    wrong = failing(cells)
    assert ("fortio", "details", "GET /details/0") in wrong, "denied, and yet it came as far as the limiter"
    assert ("productpage", "details", "GET /details/0") not in wrong
    assert {each.observed for each in cells if each.cell[:3] == ("productpage", "details", "GET")} >= {429}


def test_a_rate_that_is_used_up_at_the_gateway_keeps_from_asking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("posture.verify.agreement._PATIENCE_WITH_LIMITS", 0.1)
    mesh = mesh_under("rate-limited")
    mesh.at_gateway = lambda _: limited("gateway")
    cells = observed(mesh, timeout=5)
    assert failing(cells) == {}
    assert {finding.name for finding in unmeasured_findings(cells)} == {"productpage", "details", "reviews", "ratings"}
    assert all("a limited rate on the way was used up" in finding.observed for finding in unmeasured_findings(cells))


def test_answers_are_polled_until_the_mesh_has_settled(mesh: ToldMesh) -> None:
    left = [SERVED] * 5
    mesh.told["ratings-v1"] = lambda request: (
        left.pop() if left else SERVED if mesh.access.decide(request).allowed else DENIED
    )
    assert failing(observed(mesh, timeout=5)) == {}
    assert left == []


def test_a_destination_is_asked_one_by_one_and_by_the_gateway_last(mesh: ToldMesh) -> None:
    observed(mesh)
    assert set(mesh.busiest.values()) == {1}
    to_productpage = [each for each in mesh.asked if isinstance(each, Arrival) or each.destination == "productpage"]
    last_direct = max(i for i, each in enumerate(to_productpage) if isinstance(each, Request))
    ways_in = [i for i, each in enumerate(to_productpage) if isinstance(each, Arrival) and each.path == "/productpage"]
    assert min(ways_in) > last_direct


def test_a_place_that_was_taken_for_a_moment_is_not_left_to_the_gateway() -> None:
    """Consul's check of the port takes the only place once a second; the gateway would keep it for an hour."""
    mesh = mesh_under("rate-limited", through="one-connection")
    checked = [SILENT]

    def held(request: Request) -> Answer:
        mesh.connections = int(any(isinstance(each, Arrival) and each.path == "/productpage" for each in mesh.asked))
        if mesh.connections or checked:
            return checked.pop() if checked else SILENT
        return SERVED if mesh.access.decide(request).allowed else DENIED

    mesh.told["productpage-v1"] = held
    assert {each.outcome for each in observed(mesh, timeout=5)} == {Outcome.HOLDS}
    assert not checked


def test_an_arrival_that_is_led_to_another_service_says_so(mesh: ToldMesh) -> None:
    [cell] = [
        each
        for each in observed(mesh, wanted=[Sample("details", "GET", "/productpage")])
        if each.cell.source == "gateway"
    ]
    assert not cell.cell.allowed
    assert (cell.outcome, cell.observed) == (Outcome.HOLDS, "200, from productpage")


def test_settle_tells_what_differs_from_what_could_not_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("posture.verify.agreement._PATIENCE_WITH_LIMITS", 0.1)
    mesh = mesh_under("rate-limited", through="one-connection")
    mesh.told |= {"productpage-v1": lambda _: SILENT, "details-v1": lambda _: SERVED}
    mesh.connections = 1
    requests = [Request("fortio", "productpage", path="/productpage"), Request("fortio", "details", path="/details/0")]
    found = settle(mesh.access, requests, mesh, timeout=0.3)
    assert [each.request for each in found.unmeasured] == requests[:1]
    [wrong] = found.wrong
    assert str(wrong) == "fortio -> details GET /details/0 should be denied; the mesh answered 200: a page"
