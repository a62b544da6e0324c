from __future__ import annotations

import base64
from typing import Any

import pytest
from pulumi.runtime.rpc import UNKNOWN

from posture.local.plugins.kubernetes_object import (
    Checkpoint,
    built_in,
    checkpoint,
    inputs_of,
    name_of,
    normal,
    pruned,
    restore,
)
from posture.local.plugins.property_values import properties

SECRET = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}}


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_a_state_comes_apart_as_it_was_put_together() -> None:
    point = Checkpoint({"apiVersion": "v1", "data": {"a": "1"}}, {"data": {"a": "1", "b": "2"}}, "manager")
    assert restore(checkpoint(point, {})) == point


def test_the_texts_of_a_secret_become_its_data() -> None:
    made = normal({**SECRET, "data": {"a": encoded("1"), "b": encoded("1")}, "stringData": {"b": "2"}})
    assert made == {**SECRET, "data": {"a": encoded("1"), "b": encoded("2")}}


def test_a_secret_that_is_not_known_yet_stays_as_it_is() -> None:
    assert normal({**SECRET, "stringData": {"a": UNKNOWN}}) == {**SECRET, "stringData": {"a": UNKNOWN}}


def test_fields_that_the_api_server_drops_are_dropped_but_not_those_it_keeps() -> None:
    pod = {"hostNetwork": False, "enableServiceLinks": False, "volumes": [], "emptyDir": {}, "nodeSelector": {}}
    made = normal({"apiVersion": "apps/v1", "metadata": {"name": "a", "uid": "u", "labels": {}}, "spec": pod})
    assert made["metadata"] == {"name": "a"}
    assert made["spec"] == {"enableServiceLinks": False, "emptyDir": {}}


def test_a_custom_resource_is_left_as_it_is_written() -> None:
    spec = {"sources": [], "paused": False, "labels": {}}
    custom = {"apiVersion": "consul.hashicorp.com/v1alpha1", "metadata": {"name": "a"}, "spec": spec}
    assert normal(custom) == custom


def test_an_object_is_cut_to_the_shape_of_its_inputs() -> None:
    shape = {"spec": {"ports": [{"port": 0}], "gone": 1}}
    live = {"spec": {"ports": [{"port": 80, "protocol": "TCP"}, {"port": 81}], "clusterIP": "10.0.0.1"}, "status": {}}
    assert pruned(live, shape) == {"spec": {"ports": [{"port": 80}]}}


def test_the_inputs_of_a_foreign_object_are_what_a_program_would_write() -> None:
    noise: dict[str, Any] = {"uid": "u", "generation": 3, "annotations": {"deployment.kubernetes.io/revision": "1"}}
    live = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a", **noise}, "spec": {}, "status": {}}
    assert inputs_of(live) == {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"}, "spec": {}}


def test_of_a_foreign_custom_resource_only_its_identity_is_known() -> None:
    identity = {"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "a", "namespace": "b"}}
    live = {**identity, "metadata": {**identity["metadata"], "labels": {}}, "spec": {}}  # type: ignore[dict-item]
    assert inputs_of(live) == identity


@pytest.mark.parametrize(
    ("api_version", "is_built_in"),
    [
        ("v1", True),
        ("apps/v1", True),
        ("rbac.authorization.k8s.io/v1", True),
        ("gateway.networking.k8s.io/v1", False),
        ("consul.hashicorp.com/v1alpha1", False),
    ],
)
def test_kubernetes_own_apis_are_told_from_those_of_custom_resources(api_version: str, *, is_built_in: bool) -> None:
    assert built_in(api_version) is is_built_in


def test_an_object_is_called_by_kind_namespace_and_name() -> None:
    assert name_of({"kind": "Service", "metadata": {"namespace": "a", "name": "b"}}) == "Service a/b"
    assert name_of({"kind": "Namespace", "metadata": {"name": "b"}}) == "Namespace b"


def test_the_keys_of_a_state_are_the_official_plugins() -> None:
    state = checkpoint(Checkpoint({"apiVersion": "v1"}, {"kind": "ConfigMap"}, "manager"), properties({}))
    assert set(state) == {"kind", "__inputs", "__initialApiVersion", "__fieldManager"}
