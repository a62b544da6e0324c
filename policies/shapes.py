"""What an entry must look like for rules to read it; what is right, Consul has the last word on.

Anything can be written into a file. A list where rules expect a map is said in words here, once, instead of being
looked out for in every rule.
"""

from __future__ import annotations

from typing import Any

from posture.model.entry import Kind

__all__ = ["misfit"]

_REQUIRED = "Name"
_FLOOR = {"TLSMinVersion": ""}
_NORMALIZATION = {"PathWithEscapedSlashesAction": "", "HeadersWithUnderscoresAction": ""}
_REQUEST = {
    "PathExact": "",
    "PathPrefix": "",
    "PathRegex": "",
    "Methods": [""],
    "Header": [{"Name": ""}],
}
_TOKENS = {"Providers": [{"Name": ""}]}
_UPSTREAM: dict[str, Any] = {"Limits": {}, "PassiveHealthCheck": {}}
_SHAPES: dict[str, dict[str, Any]] = {
    Kind.MESH: {
        "TLS": {"Incoming": _FLOOR, "Outgoing": _FLOOR},
        "HTTP": {"Incoming": {"RequestNormalization": _NORMALIZATION}},
    },
    Kind.PROXY_DEFAULTS: {"MutualTLSMode": "", "Config": {"protocol": ""}},
    Kind.SERVICE_DEFAULTS: {
        "Protocol": "",
        "MutualTLSMode": "",
        "UpstreamConfig": {"Defaults": _UPSTREAM, "Overrides": [{"Name": "", **_UPSTREAM}]},
        "RateLimits": {"InstanceLevel": {"Routes": [{"PathExact": "", "PathPrefix": ""}]}},
        "EnvoyExtensions": [{"Name": "", "Arguments": {"Script": ""}}],
    },
    Kind.SERVICE_INTENTIONS: {
        "JWT": _TOKENS,
        "Sources": [
            {
                "Name": "",
                "Action": "",
                "Permissions": [{"Action": "", "HTTP": _REQUEST, "JWT": _TOKENS}],
            }
        ],
    },
    Kind.API_GATEWAY: {"Listeners": [{"Hostname": "", "TLS": {"MinVersion": "", "Certificates": [{}]}}]},
    Kind.HTTP_ROUTE: {"Hostnames": [""], "Parents": [{"Name": ""}], "Rules": [{"Services": [{"Name": ""}]}]},
}
"""Maps by key, lists by their one item, and texts; a map that has a name must be given it."""


def misfit(kind: str, body: object) -> str | None:
    """What keeps an entry from being read, in words that follow its name; None if nothing does."""
    return _misfit(body, _SHAPES.get(kind, {}), "content")


def _misfit(value: object, shape: Any, place: str) -> str | None:  # noqa: ANN401 - a map, a list or a text
    if isinstance(shape, str):
        return None if isinstance(value, str) else f"{place} is no text"
    if isinstance(shape, list):
        if not isinstance(value, list):
            return f"{place} is no list"
        return next(filter(None, (_misfit(each, shape[0], f"{place}[{i}]") for i, each in enumerate(value))), None)
    if not isinstance(value, dict):
        return f"{place} is no map"
    if _REQUIRED in shape and not value.get(_REQUIRED):
        return f"{place} has no {_REQUIRED}"
    inner = ((key, each) for key, each in shape.items() if value.get(key) is not None)
    return next(filter(None, (_misfit(value[key], each, f"{place}.{key}") for key, each in inner)), None)
