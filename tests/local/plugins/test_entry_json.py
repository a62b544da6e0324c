"""What is a difference to the official plugin; each case was tried with its decoder (consul/api v1.32.1)."""

from __future__ import annotations

import json

import pytest

from posture.local.plugins.entry_json import EntryId, payload, same, stored

SAME = {
    "order of keys": ("mesh", {"a": 1, "B": 2}, {"B": 2, "a": 1}),
    "absent and zero": ("service-defaults", {"Protocol": "http", "MaxInboundConnections": 0}, {"Protocol": "http"}),
    "absent and null": ("proxy-defaults", {"Config": None}, {}),
    "empty struct held by value": ("service-defaults", {"Expose": {}, "MeshGateway": {}}, {}),
    "zero fields of such a struct": ("mesh", {"TransparentProxy": {"MeshDestinationsOnly": False}}, {}),
    "zero fields of an extension": (
        "service-defaults",
        {"EnvoyExtensions": [{"Name": "builtin/lua", "Required": False, "ConsulVersion": "", "EnvoyVersion": ""}]},
        {"EnvoyExtensions": [{"Name": "builtin/lua"}]},
    ),
    "a gateway's status": ("api-gateway", {"Listeners": [], "Status": {"Conditions": [{}]}}, {"Listeners": []}),
    "a duration as text and number": (
        "http-route",
        {"Rules": [{"Filters": {"TimeoutFilter": {"RequestTimeout": "1m1.5s", "IdleTimeout": 0}}}]},
        {"Rules": [{"Filters": {"TimeoutFilter": {"RequestTimeout": 61_500_000_000}}}]},
    ),
    "what Consul counts": ("service-defaults", {"Protocol": "tcp", "CreateIndex": 1, "Hash": 2}, {"Protocol": "tcp"}),
}
DIFFERENT = {
    "value": ("service-defaults", {"Protocol": "http"}, {"Protocol": "tcp"}),
    "order of a list": (
        "service-intentions",
        {"Sources": [{"Name": "a"}, {"Name": "b"}]},
        {"Sources": [{"Name": "b"}, {"Name": "a"}]},
    ),
    "precedence that Consul fills in": ("service-intentions", {"Sources": [{"Precedence": 9}]}, {"Sources": [{}]}),
    "struct held by pointer": ("service-defaults", {"TransparentProxy": {}}, {}),
    "number held by pointer": (
        "service-defaults",
        {"UpstreamConfig": {"Defaults": {"Limits": {"MaxConnections": 0}}}},
        {"UpstreamConfig": {"Defaults": {"Limits": {}}}},
    ),
    "empty list": ("service-intentions", {"Sources": []}, {}),
    "zero in a free map": ("proxy-defaults", {"Config": {"a": 0}}, {"Config": {}}),
    "status of a kind that has none": ("service-defaults", {"Status": "x"}, {}),
    "text that is no duration": ("http-route", {"RequestTimeout": "soon"}, {"RequestTimeout": "later"}),
}


@pytest.mark.parametrize(("kind", "one", "other"), SAME.values(), ids=SAME)
def test_no_difference(kind: str, one: object, other: object) -> None:
    assert same(kind, json.dumps(one), json.dumps(other))
    assert same(kind, json.dumps(other), json.dumps(one))


@pytest.mark.parametrize(("kind", "one", "other"), DIFFERENT.values(), ids=DIFFERENT)
def test_a_difference(kind: str, one: object, other: object) -> None:
    assert not same(kind, json.dumps(one), json.dumps(other))
    assert not same(kind, json.dumps(other), json.dumps(one))


@pytest.mark.parametrize("text", ["", "[]", "{"])
def test_what_is_no_map_differs_from_everything(text: str) -> None:
    assert not same("mesh", text, text)


def test_stored_text_keeps_what_consul_filled_in_and_drops_what_it_counts() -> None:
    answer = {"Kind": "mesh", "Name": "m", "TransparentProxy": {}, "CreateIndex": 4, "ModifyIndex": 9, "Hash": 7}
    assert stored(answer) == '{"TransparentProxy":{}}'


def test_payload_leaves_out_what_consul_refuses() -> None:
    assert payload(EntryId("mesh", "mesh"), {"TLS": {}}) == {"Kind": "mesh", "TLS": {}}
    assert payload(EntryId("http-route", "r"), {"Status": {}, "CreateIndex": 1}) == {"Kind": "http-route", "Name": "r"}
    assert payload(EntryId("mesh", "mesh", "ns", "ap"), {}) == {"Kind": "mesh", "Namespace": "ns", "Partition": "ap"}
