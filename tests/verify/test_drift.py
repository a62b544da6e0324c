"""What Consul holds beside what a posture compiles to: differences are named, with what they open."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from posture.model.application import Application, load_application
from posture.model.entries import Entry, compile_entries
from posture.model.held import Held, bare, held_entries
from posture.model.posture import load_posture
from posture.verify.drift import drift_findings, posture_of
from posture.verify.findings import Finding, Outcome

ROOT = Path(__file__).parents[2]
Raw = list[dict[str, Any]]


@pytest.fixture(scope="module")
def bookinfo() -> Application:
    return load_application(ROOT / "apps" / "bookinfo.yaml")


def compiled(bookinfo: Application, name: str = "layered-allow", through: str | None = None) -> tuple[Entry, ...]:
    posture = load_posture(ROOT / "stacks", name, bookinfo)
    return compile_entries(bookinfo, posture.through(through) if through else posture)


@pytest.fixture
def raw(bookinfo: Application) -> Raw:
    """Entries as Consul's API answers them: with bookkeeping, and nulls where there is nothing."""
    noise = {"CreateIndex": 12, "ModifyIndex": 15, "Hash": 991, "Partition": "", "Meta": None}
    return [
        {"Kind": str(entry.kind), **({} if entry.kind == "mesh" else {"Name": entry.name}), **entry.body, **noise}
        for entry in copy.deepcopy(compiled(bookinfo))
    ]


def of(raw: Raw, kind: str, name: str) -> dict[str, Any]:
    return next(entry for entry in raw if entry["Kind"] == kind and entry.get("Name") == name)


def drift(bookinfo: Application, raw: Raw) -> list[Finding]:
    return drift_findings(bookinfo, "layered-allow", compiled(bookinfo), held_entries(raw))


def only(bookinfo: Application, raw: Raw) -> Finding:
    [found] = drift(bookinfo, raw)
    assert found.outcome is Outcome.FAILS
    return found


def test_what_the_posture_compiles_to_is_no_drift(bookinfo: Application, raw: Raw) -> None:
    [found] = drift(bookinfo, raw)
    assert found.outcome is Outcome.HOLDS
    assert found.observed == "the same 15"


def test_the_order_of_sources_is_no_drift(bookinfo: Application, raw: Raw) -> None:
    of(raw, "service-intentions", "productpage")["Sources"].reverse()
    assert drift(bookinfo, raw)[0].outcome is Outcome.HOLDS


def test_the_order_of_permissions_is_drift(raw: Raw) -> None:
    permissions = of(raw, "service-intentions", "details")["Sources"][0]["Permissions"]
    permissions.append({"Action": "deny", "HTTP": {"PathExact": "/details/1"}})
    before = held_entries(raw).entries
    permissions.reverse()
    assert posture_of(held_entries(raw), [("before", before)]) is None


def test_an_added_source_is_named_with_what_it_opens(bookinfo: Application, raw: Raw) -> None:
    of(raw, "service-intentions", "details")["Sources"].append({"Name": "fortio", "Action": "allow"})
    found = only(bookinfo, raw)
    assert found.name == "service-intentions/details"
    assert "who made it so can't be known" in found.observed
    assert "Sources.fortio" in found.observed
    assert "opens fortio → details (GET /details/0, POST /details/0, GET /" in found.observed
    assert "productpage" not in found.observed


def test_a_wildcard_destination_opens_everything(bookinfo: Application, raw: Raw) -> None:
    of(raw, "service-intentions", "*")["Sources"].append({"Name": "ratings", "Action": "allow"})
    observed = only(bookinfo, raw).observed
    assert all(f"ratings → {name} (" in observed for name in ("productpage", "details", "reviews"))


def test_an_identity_that_the_application_does_not_have_is_named(bookinfo: Application, raw: Raw) -> None:
    of(raw, "service-intentions", "ratings")["Sources"].append({"Name": "intruder", "Action": "allow"})
    assert "opens intruder → ratings (GET /ratings/0" in only(bookinfo, raw).observed


def test_those_whom_a_pattern_names_are_named(bookinfo: Application, raw: Raw) -> None:
    of(raw, "service-intentions", "details")["Sources"].append({"Name": "review.", "Action": "allow"})
    assert "opens reviews → details (" in only(bookinfo, raw).observed


def test_a_source_of_another_cluster_is_not_judged_in_silence(bookinfo: Application, raw: Raw) -> None:
    source = {"Name": "web", "Peer": "elsewhere", "Action": "allow"}
    of(raw, "service-intentions", "ratings")["Sources"].append(source)
    assert "peers is not looked at" in only(bookinfo, raw).observed


def test_a_source_of_another_cluster_is_shown_though_it_has_our_name(bookinfo: Application, raw: Raw) -> None:
    source = {"Name": "productpage", "Peer": "cluster2", "Action": "allow"}
    of(raw, "service-intentions", "details")["Sources"].append(source)
    observed = only(bookinfo, raw).observed
    assert 'Sources.productpage {"Peer": "cluster2"} is {' in observed
    assert "another order of its fields" not in observed


def test_a_listener_in_plaintext_is_named_with_what_it_goes_past(bookinfo: Application, raw: Raw) -> None:
    path = {"Path": "/admin", "LocalPathPort": 9080, "ListenerPort": 21500}
    of(raw, "service-defaults", "details")["Expose"] = {"Paths": [path]}
    assert "loosens protection: details answers /admin of its port 9080 at" in only(bookinfo, raw).observed


def test_a_route_that_leads_further_opens_for_visitors(bookinfo: Application, raw: Raw) -> None:
    match = {"Path": {"Match": "prefix", "Value": "/admin"}}
    of(raw, "http-route", "bookinfo")["Rules"][0]["Matches"].append(match)
    assert "opens gateway → productpage (GET /admin" in only(bookinfo, raw).observed


def test_a_missing_entry_is_named_with_what_it_closes(bookinfo: Application, raw: Raw) -> None:
    raw.remove(of(raw, "service-intentions", "reviews"))
    observed = only(bookinfo, raw).observed
    assert observed.startswith("is missing")
    assert "closes productpage → reviews (GET /reviews/0" in observed


def test_switched_off_normalisation_is_named_though_it_changes_no_plain_answer(bookinfo: Application, raw: Raw) -> None:
    mesh = of(raw, "mesh", None)  # type: ignore[arg-type]  # it has no name
    mesh["HTTP"]["Incoming"]["RequestNormalization"]["MergeSlashes"] = False
    found = only(bookinfo, raw)
    assert found.name == "mesh/mesh"
    assert "MergeSlashes is unset, was true" in found.observed
    assert "loosens protection: no longer: slashes that follow each other are merged" in found.observed
    assert "changes none of the" in found.observed


def test_a_missing_mesh_entry_is_named_with_what_it_protected(bookinfo: Application, raw: Raw) -> None:
    raw.remove(of(raw, "mesh", None))  # type: ignore[arg-type]  # it has no name
    assert "nothing normalises paths or sets a floor for TLS any more" in only(bookinfo, raw).observed


def test_a_missing_floor_is_named_though_its_block_is_gone_with_it(bookinfo: Application, raw: Raw) -> None:
    of(raw, "mesh", None)["TLS"].pop("Incoming")  # type: ignore[arg-type]  # it has no name
    assert "loosens protection: incoming connections need whatever Envoy takes" in only(bookinfo, raw).observed


def test_a_lost_limit_is_named(bookinfo: Application) -> None:
    ours = compiled(bookinfo, "rate-limited")
    without = [
        Entry(each.kind, each.name, {key: value for key, value in each.body.items() if key != "EnvoyExtensions"})
        if (each.kind, each.name) == ("service-defaults", "productpage")
        else each
        for each in ours
    ]
    [found] = drift_findings(bookinfo, "rate-limited", ours, Held(tuple(map(bare, without)), ()))
    assert "loosens protection: productpage: " in found.observed
    assert "productpage: unlimited per caller, was 20/s per caller, burst 40" in found.observed


def test_a_kind_that_no_posture_has_is_listed_as_not_understood(bookinfo: Application, raw: Raw) -> None:
    raw.append({"Kind": "service-router", "Name": "details", "Routes": []})
    found = only(bookinfo, raw)
    assert found.name == "service-router/details"
    assert "not understood" in found.observed


def test_a_rule_that_cannot_be_judged_is_drift_all_the_same(bookinfo: Application, raw: Raw) -> None:
    permissions = [{"Action": "allow", "HTTP": {"PathRegex": "("}}]
    of(raw, "service-intentions", "details")["Sources"].append({"Name": "fortio", "Permissions": permissions})
    assert "can't be judged: " in only(bookinfo, raw).observed


def test_another_posture_is_recognised_only_when_it_is_exactly_that(bookinfo: Application, raw: Raw) -> None:
    names = (("deny-all", None), ("layered-allow", None), ("rate-limited", "one-connection"))
    candidates = [(name, compiled(bookinfo, name, through)) for name, through in names]
    assert posture_of(held_entries(raw), candidates) == "layered-allow"
    of(raw, "service-defaults", "productpage")["MaxInboundConnections"] = 1
    assert posture_of(held_entries(raw), candidates) == "rate-limited"
    of(raw, "service-defaults", "productpage")["MaxInboundConnections"] = 2
    assert posture_of(held_entries(raw), candidates) is None


def test_no_posture_is_recognised_beside_a_foreign_entry(bookinfo: Application, raw: Raw) -> None:
    raw.append({"Kind": "jwt-provider", "Name": "okta"})
    assert posture_of(held_entries(raw), [("layered-allow", compiled(bookinfo))]) is None


def test_a_nought_that_says_something_is_drift() -> None:
    def limited(**check: int) -> Held:
        override = {"Name": "ratings", "Limits": {"MaxPendingRequests": 0}, "PassiveHealthCheck": check}
        return held_entries(
            [{"Kind": "service-defaults", "Name": "reviews", "UpstreamConfig": {"Overrides": [override]}}]
        )

    assert limited(EnforcingConsecutive5xx=0) != limited(), "0 turns ejection off, and nothing means 100"
    assert limited(Interval=0) == limited(), "which Consul writes out or leaves out as it likes"
    [override] = limited().entries[0].body["UpstreamConfig"]["Overrides"]
    assert override["Limits"] == {"MaxPendingRequests": 0}
