from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.runtime.rpc import UNKNOWN

from posture.local.plugins.property_values import has_unknown, plain, properties, properties_like, secret_texts

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), JSON))
def test_values_become_properties_and_come_back(values: dict[str, object]) -> None:
    assert plain(properties(values)) == values


def test_secrets_are_marked_as_deep_as_maps_go_and_whole_lists_at_once() -> None:
    secret = PropertyValue("s", is_secret=True)
    source = {
        "spec": PropertyValue({"key": secret, "open": PropertyValue("o")}),
        "items": PropertyValue([PropertyValue("a"), secret]),
    }
    made = properties_like({"spec": {"key": "s", "open": "o"}, "items": ["a", "s"], "more": "m"}, source)
    spec = made["spec"].value
    assert isinstance(spec, type(PropertyValue({}).value))
    assert [key for key, value in spec.items() if value.is_secret] == ["key"]  # type: ignore[union-attr]
    assert [key for key, value in made.items() if value.is_secret] == ["items"]


def test_the_data_of_a_kubernetes_secret_is_secret_however_it_came() -> None:
    made = properties_like({"kind": "Secret", "data": {"a": "Yg=="}, "stringData": {}, "type": "Opaque"}, {})
    assert {key for key, value in made.items() if value.is_secret} == {"data", "stringData"}


@pytest.mark.parametrize(
    ("value", "unknown"), [(UNKNOWN, True), ({"a": [{"b": UNKNOWN}]}, True), ({"a": ["known"]}, False)]
)
def test_an_unknown_value_is_found_wherever_it_is(value: object, *, unknown: bool) -> None:
    assert has_unknown(value) is unknown


def test_secret_texts_are_found_however_deep_they_are() -> None:
    inner = PropertyValue({"key": PropertyValue([PropertyValue("a"), PropertyValue(1.0)]).with_secret(True)})  # noqa: FBT003
    assert secret_texts({"values": inner, "name": PropertyValue("b")}) == {"a"}
