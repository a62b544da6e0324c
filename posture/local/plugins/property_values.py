"""The engine's property values as plain JSON values, and back with what is secret marked.

What is not known yet stays what the engine sends for it: one of a few texts that stand for an unknown value
(pulumi/sdk v3.259.0, go/common/resource/plugin/rpc.go).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pulumi.provider.experimental.property_value import PropertyValue

__all__ = ["UNKNOWN", "has_unknown", "is_unknown", "plain", "properties", "properties_like", "secret_texts"]

UNKNOWN = PropertyValue("04da6b54-80e4-46f7-96ec-b56ff0331ba9")
"""A text that is not known yet; the SDK can't send its own `Computed`."""

_UNKNOWN = frozenset(
    {
        UNKNOWN.value,
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",  # boolean
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",  # number
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",  # list
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",  # map
    }
)


def plain(properties: Mapping[str, PropertyValue]) -> dict[str, Any]:
    """Return the JSON values of properties; whole numbers become integers, and secrets are as plain as the rest."""
    return {key: _plain(value) for key, value in properties.items()}


def properties(values: Mapping[str, Any]) -> dict[str, PropertyValue]:
    """Return JSON values as properties, none of them secret."""
    return {key: _property(value) for key, value in values.items()}


def properties_like(values: Mapping[str, Any], source: Mapping[str, PropertyValue]) -> dict[str, PropertyValue]:
    """Return JSON values as properties that are secret where those of `source` are.

    Two maps are compared key by key; anything else that contains a secret makes the whole value secret. A
    Kubernetes Secret's data is always secret. So does the official plugin (provider.go, `annotateSecrets`).
    """
    made = properties(values)
    if values.get("kind") == "Secret":
        return {
            key: value.with_secret(True)  # noqa: FBT003 - the SDK's signature
            if key in {"data", "stringData"}
            else value
            for key, value in made.items()
        }
    for key, origin in source.items():
        if key not in made:
            continue
        value = values[key]
        inner = origin.value
        if isinstance(value, dict) and isinstance(inner, Mapping) and not origin.is_secret:
            made[key] = PropertyValue(properties_like(value, inner))
        elif origin.contains_secret():
            made[key] = made[key].with_secret(True)  # noqa: FBT003
    return made


def secret_texts(properties: Mapping[str, PropertyValue]) -> set[str]:
    """Return all texts in properties that are secret."""
    return {text for value in properties.values() for text in _texts(value, secret=False)}


def is_unknown(value: object) -> bool:
    """Tell whether a plain value stands for one that is not known yet."""
    return isinstance(value, str) and value in _UNKNOWN


def has_unknown(value: object) -> bool:
    """Tell whether anything in a plain value is not known yet."""
    if isinstance(value, dict):
        return any(has_unknown(item) for item in value.values())
    if isinstance(value, list):
        return any(has_unknown(item) for item in value)
    return is_unknown(value)


def _texts(value: PropertyValue, *, secret: bool) -> Iterator[str]:
    secret, inner = secret or value.is_secret, value.value
    if isinstance(inner, str) and inner and secret:
        yield inner
    for item in inner.values() if isinstance(inner, Mapping) else inner if isinstance(inner, tuple) else ():
        yield from _texts(item, secret=secret)


def _plain(value: PropertyValue) -> Any:  # noqa: ANN401 - JSON of any kind
    inner = value.value
    if isinstance(inner, float):
        return int(inner) if inner.is_integer() else inner
    if isinstance(inner, Mapping):
        return plain(inner)
    if isinstance(inner, tuple):
        return [_plain(item) for item in inner]
    return inner


def _property(value: object) -> PropertyValue:
    if isinstance(value, dict):
        return PropertyValue(properties(value))
    if isinstance(value, list):
        return PropertyValue([_property(item) for item in value])
    if isinstance(value, int) and not isinstance(value, bool):
        return PropertyValue(float(value))
    return PropertyValue(value)  # type: ignore[arg-type]  # JSON has no further types
