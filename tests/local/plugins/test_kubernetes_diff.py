from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pulumi.provider.experimental.provider import PropertyDiffKind as Kind
from pulumi.runtime.rpc import UNKNOWN

from posture.local.plugins.kubernetes_diff import differences

JSON = st.recursive(
    st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


def compare(old: Any, new: Any, api_version: str = "consul.hashicorp.com/v1alpha1") -> dict[str, Kind]:
    head = {"apiVersion": api_version, "kind": "Mesh"}
    return differences({**head, "spec": old}, {**head, "spec": new})


@given(JSON)
def test_what_is_the_same_does_not_differ(value: Any) -> None:
    assert compare(value, value) == {}


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ({"a": 1}, {"a": 2}, {"spec.a": Kind.UPDATE}),
        ({}, {"a": {"b": 1}}, {"spec.a": Kind.ADD}),
        ({"a": {"b": 1}}, {"a": {}}, {"spec.a.b": Kind.DELETE}),
        ({"a": [1, 2]}, {"a": [1, 3, 4]}, {"spec.a[1]": Kind.UPDATE, "spec.a[2]": Kind.ADD}),
        ({"a": [{"b": 1}, 2]}, {"a": [{}]}, {"spec.a[0].b": Kind.DELETE, "spec.a[1]": Kind.DELETE}),
        ({"x.y/z": 1}, {"x.y/z": 2}, {'spec["x.y/z"]': Kind.UPDATE}),
        ({"a": 1}, {"a": True}, {"spec.a": Kind.UPDATE}),
        ({"a": 1}, {"a": 1.0}, {}),
        ({"a": "1"}, {"a": 1}, {"spec.a": Kind.UPDATE}),
        ({"a": {"b": 1}}, {"a": UNKNOWN}, {"spec.a": Kind.UPDATE}),
    ],
)
def test_each_difference_has_its_path_and_kind(old: object, new: object, found: dict[str, Kind]) -> None:
    assert compare(old, new) == found


@pytest.mark.parametrize(("old", "new"), [("1", "1000m"), ("1", 1), ("64Mi", "65536Ki")])
def test_the_same_amount_in_another_unit_is_no_difference(old: object, new: object) -> None:
    assert compare({"requests": {"cpu": old}}, {"requests": {"cpu": new}}, "v1") == {}
    assert compare({"cpu": old}, {"cpu": new}, "v1") == {"spec.cpu": Kind.UPDATE}
    assert compare({"requests": {"cpu": old}}, {"requests": {"cpu": new}}) != {}, "a custom resource has no amounts"


@pytest.mark.parametrize(
    ("kind", "old", "new", "replaced"),
    [
        ("apps/v1 Deployment", {"spec": {"selector": {"matchLabels": {"a": "1"}}}}, {"spec": {}}, "spec.selector"),
        ("apps/v1 Deployment", {}, {"spec": {"selector": {"matchLabels": {"a": "1"}}}}, "spec"),
        ("apps/v1 Deployment", {"spec": {"replicas": 1}}, {"spec": {"replicas": 2}}, ""),
        ("v1 Service", {"spec": {"clusterIP": "a"}}, {"spec": {"clusterIP": "b"}}, "spec.clusterIP"),
        ("v1 ConfigMap", {"data": {"a": "1"}}, {"data": {"a": "2"}}, "data.a"),
        ("v1 Secret", {"data": {"a": "1"}}, {"data": {"a": "2"}}, "data.a"),
        ("v1 Secret", {"type": "Opaque"}, {"type": "other"}, "type"),
        ("v1 Namespace", {"metadata": {"labels": {"a": "1"}}}, {"metadata": {"labels": {"a": "2"}}}, ""),
        ("v1 Namespace", {"metadata": {"name": "a"}}, {"metadata": {"name": "b"}}, "metadata.name"),
    ],
)
def test_fields_that_are_fixed_replace_the_object(
    kind: str, old: dict[str, Any], new: dict[str, Any], replaced: str
) -> None:
    api_version, _, name = kind.partition(" ")
    head = {"apiVersion": api_version, "kind": name}
    found = differences({**head, **old}, {**head, **new})
    assert [path for path, how in found.items() if how.name.endswith("_REPLACE")] == ([replaced] if replaced else [])


@pytest.mark.parametrize(
    ("mutable", "immutable", "how"),
    [
        ({"ConfigMap"}, False, Kind.UPDATE),
        ({"ConfigMap"}, True, Kind.UPDATE_REPLACE),
        ({"Secret"}, False, Kind.UPDATE_REPLACE),
    ],
)
def test_a_config_map_changes_in_place_only_where_the_provider_is_told_so(
    mutable: set[str], how: Kind, *, immutable: bool
) -> None:
    head = {"apiVersion": "v1", "kind": "ConfigMap", "immutable": immutable}
    found = differences({**head, "data": {"a": "1"}}, {**head, "data": {"a": "2"}}, mutable=frozenset(mutable))
    assert found == {"data.a": how}
