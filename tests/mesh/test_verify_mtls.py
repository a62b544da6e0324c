"""Mutual TLS on the live mesh: it holds under a posture, and each hole that somebody makes in it is seen."""

from __future__ import annotations

import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from rich.console import Console

from posture.local_stack import LocalStack
from posture.model.access import Access
from posture.model.entries import compile_entries
from posture.verify.capture import capture_findings
from posture.verify.findings import Outcome
from posture.verify.mtls import mtls_findings
from posture.verify.openings import opening_findings
from posture.verify.outside import outside_findings
from tests.conftest import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from posture.model.application import Application
    from posture.verify.findings import Finding
    from posture.verify.target import Target
    from tests.mesh.conftest import LiveStack

pytestmark = pytest.mark.mesh

SIDECARS = ("productpage-v1", "details-v1", "reviews-v1", "reviews-v2", "reviews-v3", "ratings-v1")


class Asked(NamedTuple):
    live: LiveStack
    target: Target
    application: Application
    access: Access

    def tls(self) -> list[Finding]:
        return mtls_findings(self.target, self.application, self.access)

    def openings(self) -> list[Finding]:
        return opening_findings(self.target, self.application)

    def outside(self) -> list[Finding]:
        return outside_findings(self.target, self.application, self.access)

    def capture(self) -> list[Finding]:
        return capture_findings(self.target, self.application, self.access)

    @contextmanager
    def written(self, place: str, **fields: object) -> Iterator[None]:
        """An entry with fields of somebody else's, until the end."""
        with self.live.consul() as consul:
            before = consul.get(f"/v1/config/{place}").raise_for_status().json()
            consul.put("/v1/config", json={**before, **fields}).raise_for_status()
            try:
                yield
            finally:
                consul.put("/v1/config", json=before).raise_for_status()


@pytest.fixture(scope="module")
def asked(live: LiveStack) -> Asked:
    """One posture for all tests here: each puts back what it changes, and waits until it is back."""
    live.up("layered-allow")
    stack = LocalStack(live.project.folder, live.name, Console(quiet=True))
    application, posture = stack.load()
    return Asked(live, stack.target(stack.mesh()), application, Access(compile_entries(application, posture)))


def failing(findings: list[Finding]) -> dict[str, str]:
    return {each.name: each.observed for each in findings if each.outcome is Outcome.FAILS}


def until(names: set[str], find: Callable[[], list[Finding]]) -> dict[str, str]:
    """What fails, once it is these."""
    found: dict[str, str] = {}

    def is_so() -> bool:
        found.clear()
        found.update(failing(find()))
        return found.keys() == names

    eventually(is_so, f"not just {names}")
    return found


def not_holding(findings: list[Finding]) -> list[Finding]:
    return [each for each in findings if each.outcome is not Outcome.HOLDS]


def test_a_posture_holds(asked: Asked) -> None:
    assert not not_holding([*asked.tls(), *asked.openings(), *asked.outside()])


def test_nothing_readable_goes_between_sidecars(asked: Asked) -> None:
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM).close()
    except PermissionError:
        assert [each.outcome for each in asked.capture()] == [Outcome.NOT_MEASURED]
        return
    found = asked.capture()
    assert [each.name.split()[0] for each in found] == list(SIDECARS)
    assert not not_holding(found)
    of_details = next(each for each in found if each.name.startswith("details-v1"))
    assert "the mark, sent from a sidecar, is seen behind it only" in of_details.observed


def test_a_lower_floor_is_seen(asked: Asked) -> None:
    lower = {"TLSMinVersion": "TLSv1_0"}
    with asked.written("mesh/mesh", TLS={"Incoming": lower, "Outgoing": lower}):
        until({f"{name} refuses TLS 1.1" for name in SIDECARS}, asked.tls)
    until(set(), asked.tls)


def test_a_lower_floor_of_the_gateway_is_seen(asked: Asked) -> None:
    listener: dict[str, Any] = asked.live.entries()["api-gateway/gateway"]["Listeners"][0]
    lower = {**listener, "TLS": {**listener["TLS"], "MinVersion": "TLSv1_0"}}
    with asked.written("api-gateway/gateway", Listeners=[lower]):
        until({"gateway refuses TLS 1.1"}, asked.tls)
    until(set(), asked.tls)


def test_a_listener_in_plain_text_is_seen(asked: Asked) -> None:
    """`Expose` opens it beside the sidecar's own, whatever the intentions say; the sidecar's own stays as it is."""
    path = {"Path": "/details/0", "LocalPathPort": 9080, "ListenerPort": 21500, "Protocol": "http"}
    name = "details-v1 has no entrance without a certificate"
    with asked.written("service-defaults/details", Expose={"Paths": [path]}):
        observed = until({name}, asked.openings)[name]
        assert "exposed_path_details0" in observed
        assert "answers plaintext: HTTP/1.1" in observed
        assert not failing(asked.tls())
    until(set(), asked.openings)


def test_permissive_mtls_is_seen_in_entries_though_it_opens_nothing_here(asked: Asked) -> None:
    """Consul adds the plaintext filter chain to transparent proxies only (`makeInboundListener`); these aren't."""
    name = "no service is, or may be made, permissive"
    with (
        asked.written("mesh/mesh", AllowEnablingPermissiveMutualTLS=True),
        asked.written("service-defaults/details", MutualTLSMode="permissive"),
    ):
        observed = until({name}, asked.openings)[name]
        assert set(observed.split("; ")) == {
            "mesh/mesh AllowEnablingPermissiveMutualTLS",
            "service-defaults/details MutualTLSMode",
        }
        assert not failing(asked.tls())
    until(set(), asked.openings)


def test_an_unknown_identity_that_gets_in_is_seen(asked: Asked) -> None:
    allow_all = [{"Name": "*", "Type": "consul", "Action": "allow"}]
    with asked.written("service-intentions/details", Sources=allow_all):
        until({"an unknown identity calls details"}, asked.outside)
    until(set(), asked.outside)
