"""What an entry must look like for rules to read it; what is right, Consul has the last word on.

Anything can be written into a file. A list where rules expect a map is said in words here, once, instead of being
looked out for in every rule. So is another spelling of a field: Consul takes `sources` for `Sources` and
`mutual_tls_mode` for `MutualTLSMode` (agent/structs/config_entry.go of 1.22.7, `DecodeConfigEntry`), rules don't.
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any

from posture.model.entry import Kind

__all__ = ["misfit", "other_identity"]

_ANY = None
_REQUIRED = "Name"
_TENANCY = {"Namespace": _ANY, "Partition": _ANY}
_FLOOR = {"TLSMinVersion": ""}
_NORMALIZATION = {
    "InsecureDisablePathNormalization": _ANY,
    "MergeSlashes": _ANY,
    "PathWithEscapedSlashesAction": "",
    "HeadersWithUnderscoresAction": "",
}
_REQUEST = {
    "PathExact": "",
    "PathPrefix": "",
    "PathRegex": "",
    "Methods": [""],
    "Header": [
        {
            "Name": "",
            **dict.fromkeys(("Exact", "Prefix", "Suffix", "Contains", "Regex"), ""),
            **dict.fromkeys(("Present", "Invert", "IgnoreCase"), _ANY),
        }
    ],
}
_TOKENS = {"Providers": [{"Name": ""}]}
_UPSTREAM: dict[str, Any] = {
    "Limits": dict.fromkeys(("MaxConnections", "MaxPendingRequests", "MaxConcurrentRequests"), _ANY),
    "PassiveHealthCheck": dict.fromkeys(("Interval", "MaxFailures", "MaxEjectionPercent", "BaseEjectionTime"), _ANY),
}
_EXPOSE: dict[str, Any] = {"Checks": _ANY, "Paths": [{}]}
_RATE = {"RequestsPerSecond": _ANY, "RequestsMaxBurst": _ANY}
_SERVICES = [{"Name": "", **_TENANCY}]
_SHAPES: dict[str, dict[str, Any]] = {
    Kind.MESH: {
        "AllowEnablingPermissiveMutualTLS": _ANY,
        "TLS": {"Incoming": _FLOOR, "Outgoing": _FLOOR},
        "HTTP": {"Incoming": {"RequestNormalization": _NORMALIZATION}},
    },
    Kind.PROXY_DEFAULTS: {"MutualTLSMode": "", "Expose": _EXPOSE, "Config": {"protocol": ""}},
    Kind.SERVICE_DEFAULTS: {
        "Protocol": "",
        "MutualTLSMode": "",
        "Expose": _EXPOSE,
        "MaxInboundConnections": _ANY,
        "UpstreamConfig": {"Defaults": _UPSTREAM, "Overrides": [{"Name": "", **_UPSTREAM}]},
        "RateLimits": {"InstanceLevel": {**_RATE, "Routes": [{"PathExact": "", "PathPrefix": "", **_RATE}]}},
        "EnvoyExtensions": [{"Name": "", "Arguments": {"Script": ""}}],
    },
    Kind.SERVICE_INTENTIONS: {
        "JWT": _TOKENS,
        "Sources": [
            {
                "Name": "",
                "Peer": "",
                "SamenessGroup": "",
                **_TENANCY,
                "Action": "",
                "Permissions": [{"Action": "", "HTTP": _REQUEST, "JWT": _TOKENS}],
            }
        ],
    },
    Kind.API_GATEWAY: {"Listeners": [{"Hostname": "", "TLS": {"MinVersion": "", "Certificates": [{}]}}]},
    Kind.FILE_SYSTEM_CERTIFICATE: {"Certificate": _ANY},
    Kind.HTTP_ROUTE: {"Hostnames": [""], "Parents": [{"Name": "", **_TENANCY}], "Rules": [{"Services": _SERVICES}]},
    "inline-certificate": {"Certificate": _ANY},
    "terminating-gateway": {"Services": _SERVICES},
}
"""What rules read: maps by key, lists by their one item, texts, anything. A map that has a name must be given it."""
_OF_KIND = {kind: {**_TENANCY, **shape} for kind, shape in _SHAPES.items()}


def misfit(kind: str, body: object) -> str | None:
    """What keeps an entry from being read, in words that follow its name; None if nothing does."""
    return _misfit(body, _OF_KIND.get(kind, _TENANCY), "content")


def other_identity(kind: str, name: str, body: dict[str, Any]) -> str | None:
    """What of an entry's content names another kind or name than the entry's own, which Consul may go by instead."""
    own = {"kind": kind, "name": name}
    fields = (field for key, value in body.items() if (field := _folded(key)) in own and own[field] != value)
    return next((f"content says another {field}; remove it there" for field in fields), None)


def _misfit(value: object, shape: Any, place: str) -> str | None:  # noqa: ANN401 - a map, a list, a text or anything
    if shape is _ANY:
        return None
    if isinstance(shape, str):
        return None if isinstance(value, str) else f"{place} is no text"
    if isinstance(shape, list):
        if not isinstance(value, list):
            return f"{place} is no list"
        return next(filter(None, (_misfit(each, shape[0], f"{place}[{i}]") for i, each in enumerate(value))), None)
    return _map_misfit(value, shape, place) if isinstance(value, dict) else f"{place} is no map"


def _map_misfit(value: dict[Any, Any], shape: dict[str, Any], place: str) -> str | None:
    if _REQUIRED in shape and not value.get(_REQUIRED):
        return f"{place} has no {_REQUIRED}"
    unread = [key for key in value if key not in shape]
    if unread:
        spellings = _spellings(tuple(shape))
        field = next(filter(None, (spellings.get(_folded(key)) for key in unread)), None)
        if field:
            return f"{place} has another spelling of {field}, which Consul may read; write it so"
    inner = ((key, each) for key, each in shape.items() if value.get(key) is not None)
    return next(filter(None, (_misfit(value[key], each, f"{place}.{key}") for key, each in inner)), None)


@cache
def _spellings(fields: tuple[str, ...]) -> dict[str, str]:
    """The fields by what Consul knows them by."""
    return {_folded(field): field for field in fields}


@lru_cache(1000)
def _folded(key: object) -> str:
    """A field's name, whichever way it is written."""
    return str(key).replace("_", "").casefold()
