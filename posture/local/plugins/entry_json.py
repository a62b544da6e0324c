"""A config entry as the official consul plugin stores and compares it.

The official plugin (terraform-provider-consul, `consul_config_entry`) decodes both texts into the structs of
Consul's Go client (consul/api v1.32.1) and compares those. So an absent field equals its zero value, unless its
type is a pointer, a list or a map; a struct that is held by value is equal to an absent one when it is empty; text
and number are the same duration. The sets below are all such fields of all kinds of entries, listed by reflection.

Two differences remain, both on the strict side: keys are compared as they are written (Go ignores case), and a key
that Consul doesn't know is left for Consul to refuse (the official plugin drops it in silence).
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from posture.model.entry import SCALAR_POINTERS

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["EntryId", "payload", "same", "stored"]

_NOT_CONTENT = frozenset({"Kind", "Name", "Namespace", "Partition", "CreateIndex", "ModifyIndex", "Hash"})
_STATUS_KINDS = frozenset({"api-gateway", "http-route", "tcp-route"})
_NAMELESS_KINDS = frozenset({"mesh"})  # "invalid config key \"Name\"", says Consul

_FREE_MAPS = frozenset({"Add", "Arguments", "Config", "LegacyMeta", "Meta", "Set"})
_STRUCTS_BY_VALUE = frozenset({"Expose", "Filters", "InstanceLevel", "MeshGateway", "Path", "ResponseFilters"})
_STRUCTS_BY_VALUE_OF_KIND = {
    "api-gateway": frozenset({"TLS"}),
    "ingress-gateway": frozenset({"TLS"}),
    "mesh": frozenset({"TransparentProxy"}),
}
_DURATIONS = frozenset(
    {
        "BaseEjectionTime",
        "BaseInterval",
        "CacheDuration",
        "ConnectTimeout",
        "IdleTimeout",
        "Interval",
        "MaxInterval",
        "RequestTimeout",
        "TTL",
    }
)
_NANOSECONDS = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_DURATION_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")


class EntryId(NamedTuple):
    """What tells one entry from all others; the order is Pulumi's outputs'.

    Attributes:
        kind: Such as `service-intentions`.
        name: The name; a `mesh` entry has one for Pulumi only.
        namespace: Empty outside of Consul Enterprise.
        partition: As `namespace`.
    """

    kind: str
    name: str
    namespace: str = ""
    partition: str = ""

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


def payload(entry: EntryId, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body of `PUT /v1/config` for an entry and its fields in Consul's words (PascalCase)."""
    head = {
        "Kind": entry.kind,
        "Name": "" if entry.kind in _NAMELESS_KINDS else entry.name,
        "Namespace": entry.namespace,
        "Partition": entry.partition,
    }
    return {key: value for key, value in head.items() if value} | _content(entry.kind, config)


def stored(entry: Mapping[str, Any]) -> str:
    """Return an entry that `GET /v1/config/KIND/NAME` answered as the text kept in Pulumi's state."""
    content = {key: value for key, value in entry.items() if key not in _NOT_CONTENT}
    return json.dumps(content, sort_keys=True, separators=(",", ":"))


def same(kind: str, old: str, new: str) -> bool:
    """Return whether two texts of an entry are no difference to the official plugin; false if one isn't a JSON map."""
    try:
        maps = [json.loads(text) for text in (old, new)]
    except ValueError:
        return False
    if not all(isinstance(value, dict) for value in maps):
        return False
    one, other = (_struct(kind, _content(kind, value)) for value in maps)
    return one == other


def _content(kind: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that a program decides; Consul alone writes a gateway's or a route's Status."""
    drop = _NOT_CONTENT | {"Status"} if kind in _STATUS_KINDS else _NOT_CONTENT
    return {key: value for key, value in config.items() if key not in drop}


def _struct(kind: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    normal = {key: _field(kind, key, value) for key, value in fields.items()}
    by_value = _STRUCTS_BY_VALUE | _STRUCTS_BY_VALUE_OF_KIND.get(kind, frozenset())
    return {
        key: value
        for key, value in normal.items()
        if value is not None
        and (value != {} or key not in by_value)
        and (value not in ("", 0, False) or key in SCALAR_POINTERS)
    }


def _field(kind: str, key: str, value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if key in _FREE_MAPS:
        return value
    if isinstance(value, dict):
        return _struct(kind, value)
    if isinstance(value, list):
        return [_struct(kind, item) if isinstance(item, dict) else item for item in value]
    if key in _DURATIONS and isinstance(value, str):
        return _nanoseconds(value)
    return value


def _nanoseconds(text: str) -> int | str:
    """Return a Go duration such as `1m30s` as a number; any other text as it is."""
    parts = _DURATION_PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return text
    return round(sum(float(number) * _NANOSECONDS[unit] for number, unit in parts))
