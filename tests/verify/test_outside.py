"""What is said of a mesh that lets an outsider, an unknown identity, or a visitor off the routes in."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from posture.model.access import Access, Arrival, Request
from posture.model.application import load_application
from posture.model.entries import Kind, compile_entries
from posture.model.matrix import UNKNOWN
from posture.model.posture import load_posture
from posture.verify.answers import Answer
from posture.verify.attempts import Attempt, Reply, attempt, get
from posture.verify.findings import Finding, Outcome
from posture.verify.openings import opening_findings
from posture.verify.outside import outside_findings
from posture.verify.target import Endpoint

if TYPE_CHECKING:
    from posture.verify.target import Target

ROOT = Path(__file__).parents[2]
APPLICATION = load_application(ROOT / "apps" / "bookinfo.yaml")
ENTRIES = compile_entries(APPLICATION, load_posture(ROOT / "stacks", "layered-allow", APPLICATION))
ACCESS = Access(ENTRIES)


def answer(status: int | None) -> Answer:
    return Answer(status, "RBAC: access denied" if status == 403 else "", passed_on=status == 200)


@dataclass(frozen=True)
class Mesh:
    """Answers as the model of other entries does, which is what a mesh with another posture would do."""

    access: Access = ACCESS
    silent: bool = False
    listeners: tuple[dict[str, Any], ...] | None = ()

    def ask(self, request: Request) -> list[Answer]:
        return [answer(None if self.silent else self.access.decide(request).status)]

    def enter(self, arrival: Arrival) -> Answer:
        return answer(min(self.access.enter(arrival, name).status or 599 for name in APPLICATION.services))

    @property
    def near(self) -> Mesh:
        return self

    def instances(self, service: str) -> list[str]:
        return [f"{service}-v1"]

    def knock(self, service: str, path: str) -> list[tuple[str, Attempt]]:
        return [(f"{service}-v1", attempt(Endpoint(f"{service}-v1", "127.0.0.1", 9), get(path, service)))]

    def health_checks(self, _instance: str) -> dict[int, str]:
        return {20300: "/health"}

    def entries(self) -> list[dict[str, Any]]:
        return [{"Kind": each.kind, "Name": each.name, **each.body} for each in self.access.entries]

    def envoy(self, _instance: str, _path: str) -> str | None:
        if self.listeners is None:
            return None
        return json.dumps({"configs": [{"active_state": {"listener": each}} for each in self.listeners]})


def outside(mesh: Mesh) -> dict[str, Finding]:
    return {each.name: each for each in outside_findings(cast("Target", mesh), APPLICATION, ACCESS)}


def openings(mesh: Mesh) -> dict[str, Finding]:
    return {each.name: each for each in opening_findings(cast("Target", mesh), APPLICATION)}


def changed(kind: Kind, name: str, **fields: object) -> Access:
    """The model of the same entries, with fields of one changed."""
    return Access(
        [
            replace(each, body={**each.body, **fields}) if (each.kind, each.name) == (kind, name) else each
            for each in ENTRIES
        ]
    )


def test_an_unknown_identity_is_denied_where_the_posture_says_so() -> None:
    assert outside(Mesh())[f"an {UNKNOWN} identity calls details"].outcome is Outcome.HOLDS


def test_an_unknown_identity_that_gets_in_fails_and_is_told_where() -> None:
    allow_all = [{"Name": "*", "Type": "consul", "Precedence": 8, "Action": "allow"}]
    found = outside(Mesh(changed(Kind.SERVICE_INTENTIONS, "details", Sources=allow_all)))
    failing = [each for each in found.values() if each.outcome is Outcome.FAILS]
    assert [each.name for each in failing] == ["an unknown identity calls details"]
    assert "GET /details/0: 200" in failing[0].observed


def test_silence_is_no_denial() -> None:
    found = outside(Mesh(silent=True))["an unknown identity calls details"]
    assert found.outcome is Outcome.NOT_MEASURED


def test_an_outsider_who_reaches_nobody_proves_nothing() -> None:
    found = outside(Mesh())["a process outside the mesh calls details"]
    assert found.outcome is Outcome.NOT_MEASURED
    assert "not reached" in found.observed


@dataclass(frozen=True)
class OnePlace(Mesh):
    """A mesh whose page takes one connection, which somebody else has for so many tries."""

    taken: list[None] = field(default_factory=list)
    refused: list[None] = field(default_factory=list)

    def _is_taken(self) -> bool:
        if self.taken:
            self.refused.append(self.taken.pop())
        return bool(self.taken)

    def knock(self, service: str, _path: str) -> list[tuple[str, Attempt]]:
        if service == "productpage":
            self._is_taken()
        return [(f"{service}-v1", Attempt(Reply.REFUSED, "connection closed"))]

    def ask(self, request: Request) -> list[Answer]:
        return [answer(None)] if request.destination == "productpage" and self._is_taken() else super().ask(request)

    def envoy(self, _instance: str, _path: str) -> str | None:
        return f"connection_limit.inbound_connection_limit.limited_connections: {len(self.refused)}"


@pytest.mark.parametrize(
    ("tries", "outsider", "unknown"),
    [(0, Outcome.HOLDS, Outcome.HOLDS), (2, Outcome.HOLDS, Outcome.HOLDS), (6, Outcome.NOT_MEASURED, Outcome.HOLDS)],
)
def test_what_the_limit_of_connections_refuses_says_nothing_of_who_may_call(
    tries: int, outsider: Outcome, unknown: Outcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    limited = changed(Kind.SERVICE_DEFAULTS, "productpage", MaxInboundConnections=1)
    mesh = OnePlace(limited, taken=[None] * tries)
    found = {each.name: each for each in outside_findings(cast("Target", mesh), APPLICATION, limited)}
    assert found["a process outside the mesh calls productpage"].outcome is outsider
    assert found[f"an {UNKNOWN} identity calls productpage"].outcome is unknown


def test_a_visitor_gets_nothing_off_the_routes() -> None:
    found = outside(Mesh())["a visitor leaves the routes of gateway"]
    assert (found.outcome, found.observed) == (Outcome.HOLDS, "8 x 404")


def test_a_route_too_many_fails() -> None:
    rule = {"Matches": [{"Path": {"Match": "prefix", "Value": "/"}}], "Services": [{"Name": "productpage"}]}
    found = outside(Mesh(changed(Kind.HTTP_ROUTE, "bookinfo", Rules=[rule])))["a visitor leaves the routes of gateway"]
    assert found.outcome is Outcome.FAILS
    assert "/details/0: 200" in found.observed


@pytest.mark.parametrize(
    ("kind", "name", "fields"),
    [
        (Kind.MESH, "mesh", {"AllowEnablingPermissiveMutualTLS": True}),
        (Kind.SERVICE_DEFAULTS, "details", {"MutualTLSMode": "permissive"}),
        (Kind.PROXY_DEFAULTS, "global", {"MutualTLSMode": "permissive"}),
    ],
)
def test_an_entry_that_is_permissive_fails(kind: Kind, name: str, fields: dict[str, object]) -> None:
    found = openings(Mesh(changed(kind, name, **fields)))["no service is, or may be made, permissive"]
    assert (found.outcome, found.observed) == (Outcome.FAILS, f"{kind}/{name} {next(iter(fields))}")


def listener(name: str, port: int, *, certificate: bool) -> dict[str, Any]:
    typed = {"require_client_certificate": True} if certificate else {}
    return {
        "name": name,
        "traffic_direction": "INBOUND",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        "filter_chains": [{"transport_socket": {"typed_config": typed}}],
    }


NAME = "details-v1 has no entrance without a certificate"


def test_listeners_that_ask_for_certificates_hold() -> None:
    found = openings(Mesh(listeners=(listener("public", 9, certificate=True),)))[NAME]
    assert (found.outcome, found.observed) == (Outcome.HOLDS, "asked for on 127.0.0.1:9")


def test_a_listener_that_does_not_fails_even_where_it_can_not_be_tried() -> None:
    public, other = listener("public", 9, certificate=True), listener("other", 1, certificate=False)
    found = openings(Mesh(listeners=(public, other)))[NAME]
    assert found.outcome is Outcome.FAILS
    assert found.observed.startswith("other plaintext to it: not reached")


def for_a_health_check(port: int = 20300, path: str = "/health") -> dict[str, Any]:
    """As Consul 1.22 has it for a path that is exposed."""
    routes = [{"match": {"path": path}, "route": {"cluster": "local_app"}}]
    config = {"route_config": {"virtual_hosts": [{"domains": ["*"], "routes": routes}]}}
    chains = [{"filters": [{"typed_config": config}]}]
    return {**listener("exposed_path_health", port, certificate=False), "filter_chains": chains}


def test_a_listener_for_a_health_check_holds_and_is_told() -> None:
    found = openings(Mesh(listeners=(listener("public", 9, certificate=True), for_a_health_check())))[NAME]
    assert found.outcome is Outcome.HOLDS
    assert found.observed == "asked for on 127.0.0.1:9; 127.0.0.1:20300 gives health checks their path only"


@pytest.mark.parametrize(
    "other",
    [
        for_a_health_check(port=20301),
        for_a_health_check(path="/"),
        {**for_a_health_check(), "filter_chains": [{"filters": [{"typed_config": {"cluster": "local_app"}}]}]},
        {**for_a_health_check(), "default_filter_chain": {"filters": [{"typed_config": {"cluster": "local_app"}}]}},
    ],
    ids=["another-port", "another-path", "no-http", "more-besides"],
)
def test_a_listener_that_gives_more_than_a_health_check_fails(other: dict[str, Any]) -> None:
    assert openings(Mesh(listeners=(listener("public", 9, certificate=True), other)))[NAME].outcome is Outcome.FAILS


@pytest.mark.parametrize("listeners", [(), None])
def test_an_envoy_that_does_not_tell_its_listeners_is_not_measured(listeners: tuple[()] | None) -> None:
    assert openings(Mesh(listeners=listeners))[NAME].outcome is Outcome.NOT_MEASURED
