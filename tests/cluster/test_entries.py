"""A mesh in a cluster that is as its posture has it shows no drift, whatever consul-k8s adds to the entries."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from posture.cluster.connection import ApiResource, Connection
from posture.cluster.entries import as_applied, read_entries
from posture.errors import InputError
from posture.model.application import load_application
from posture.model.entries import Entry, Kind, compile_entries
from posture.model.held import held_entries
from posture.model.manifests import gateway_api
from posture.model.manifests.inventory import inventory
from posture.model.posture import load_posture
from posture.model.settings import settings_from
from posture.verify.drift import drift_findings
from posture.verify.findings import Outcome

ROOT = Path(__file__).parents[2]
APPLICATION = load_application(ROOT / "apps" / "bookinfo.yaml")
POSTURE = load_posture(ROOT / "stacks", "layered-allow", APPLICATION)
SETTINGS = settings_from("prod", {"target": "kubernetes", "kubeContext": "c", "gatewaySecret": "page-tls"})
INVENTORY = inventory(APPLICATION, POSTURE, SETTINGS, "prod")
PLACEMENT = INVENTORY.placement
ENTRIES = as_applied(compile_entries(APPLICATION, POSTURE), PLACEMENT.certificate_name)

OF_A_RESOURCE = {"consul.hashicorp.com/source-datacenter": "dc1", "external-source": "kubernetes"}
OF_A_GATEWAY = {"datacenter": "dc1", "k8s-name": "gateway", "k8s-namespace": "bookinfo"}
OF_A_HOSTNAME = re.compile(r"(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
"""The pattern of the CRDs of Gateways and HTTPRoutes."""

NO_FILTERS: dict[str, Any] = {
    "Headers": [],
    "URLRewrite": None,
    "RetryFilter": None,
    "TimeoutFilter": None,
    "JWT": None,
}


def as_consul_has_it(entry: Entry) -> dict[str, Any]:
    """As a real Consul 1.22.7 answered behind consul-k8s 1.9.7."""
    found = {**asdict(entry)["body"], "Kind": str(entry.kind), "Name": entry.name, "CreateIndex": 36, "Hash": 1}
    if entry.kind is Kind.HTTP_ROUTE:
        for rule in found["Rules"]:
            rule |= {"Filters": NO_FILTERS, "ResponseFilters": {"Headers": []}}
            rule["Services"] = [{**each, "Weight": 1, "Filters": NO_FILTERS} for each in rule["Services"]]
    if entry.kind in {Kind.HTTP_ROUTE, Kind.API_GATEWAY}:
        return {**found, "Meta": OF_A_GATEWAY, "Status": {"Conditions": [{"Type": "Accepted"}]}}
    return {**found, "Meta": OF_A_RESOURCE}


CERTIFICATE = {
    "Kind": "file-system-certificate",
    "Name": "page-tls",
    "Certificate": "/consul/gateway-certificates/bookinfo_page-tls_tls.crt",
    "Meta": OF_A_GATEWAY,
}


class Cluster(Connection):
    """Answers with what it was given; ``secret`` is an answer or an error."""

    def __init__(self, secret: dict[str, Any] | InputError | None, *more: dict[str, Any]) -> None:
        self.secret = secret
        self.held = [*map(as_consul_has_it, ENTRIES), CERTIFICATE, *more]
        self.context = "c"
        self.tokens: set[str] = set()

    def get(self, path: str, **_query: str) -> dict[str, Any] | None:
        if path.endswith("/secrets/consul-bootstrap-acl-token"):
            if isinstance(self.secret, InputError):
                raise self.secret
            return self.secret
        kind = path.rpartition("/")[2]
        return {"items": [each for each in INVENTORY if each["kind"].lower() == kind]}

    def proxied(self, path: str, headers: Any) -> list[dict[str, Any]]:
        self.tokens.add(headers["X-Consul-Token"])
        return [each for each in self.held if each["Kind"] == path.rpartition("/")[2]]

    def resource(self, api_version: str, kind: str) -> ApiResource | None:
        return ApiResource(api_version, kind, kind.lower(), namespaced=True)


def drift(cluster: Cluster) -> list[tuple[str, Outcome]]:
    held = held_entries(read_entries(cluster, PLACEMENT).entries)
    return [(each.name, each.outcome) for each in drift_findings(APPLICATION, POSTURE.name, ENTRIES, held)]


def test_what_consul_k8s_adds_is_no_drift() -> None:
    cluster = Cluster({"data": {"token": "dG9rZW4="}})
    assert drift(cluster) == [("config entries", Outcome.HOLDS)]
    assert cluster.tokens == {"token"}
    assert read_entries(cluster, PLACEMENT).unread is None


@pytest.mark.parametrize("hostname", ["*", "*.example.com", "page.example.com"])
def test_objects_say_any_hostname_in_words_that_are_taken_and_read_back(hostname: str) -> None:
    gateway = APPLICATION.gateway.model_copy(update={"hostname": hostname})
    application = APPLICATION.model_copy(update={"gateway": gateway})
    objects = [each for each in inventory(application, POSTURE, SETTINGS, "prod") if each["kind"] in gateway_api.KINDS]
    names = [name for each in objects for name in each["spec"].get("hostnames", ())]
    names += [each["hostname"] for one in objects for each in one["spec"].get("listeners", ()) if "hostname" in each]
    assert all(map(OF_A_HOSTNAME.fullmatch, names))
    compiled = as_applied(compile_entries(application, POSTURE), PLACEMENT.certificate_name)
    found = {each.label: each for each in map(gateway_api.read_gateway_object, objects)}
    assert found == {each.label: each for each in compiled if each.label in found}
    assert len(found) == len(objects)


@pytest.mark.parametrize("meta", [None, {"external-source": "terraform"}])
def test_what_others_have_written_is(meta: dict[str, str] | None) -> None:
    router: dict[str, Any] = {"Kind": "service-router", "Name": "details", "Routes": [], "Meta": meta}
    certificate = {"Kind": "file-system-certificate", "Name": "theirs", "Meta": meta}
    found = drift(Cluster({"data": {"token": "dG9rZW4="}}, router, certificate))
    assert found == [
        ("file-system-certificate/theirs", Outcome.FAILS),
        ("service-router/details", Outcome.FAILS),
    ]


@pytest.mark.parametrize("secret", [None, InputError("refuses: secrets is forbidden; ask")])
def test_without_consuls_token_the_custom_resources_are_read_and_it_is_said(secret: InputError | None) -> None:
    cluster = Cluster(secret)
    assert drift(cluster) == [("config entries", Outcome.HOLDS)]
    unread = read_entries(cluster, PLACEMENT).unread
    assert unread is not None
    assert unread.startswith("the custom resources were read, not Consul itself, which may hold more: ")
    assert cluster.tokens == set()
