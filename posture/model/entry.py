"""One config entry in Consul's own words (the HTTP API's PascalCase), and what Consul itself adds to one.

Apart from what compiles entries, so that those who only read them load nothing else.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

__all__ = ["FILLED_IN", "OTHER_KINDS", "SCALAR_POINTERS", "Body", "Entry", "Kind", "precedence"]

Body = dict[str, Any]


class Kind(StrEnum):
    """The kinds of config entry that a posture consists of."""

    PROXY_DEFAULTS = "proxy-defaults"
    MESH = "mesh"
    SERVICE_DEFAULTS = "service-defaults"
    SERVICE_INTENTIONS = "service-intentions"
    FILE_SYSTEM_CERTIFICATE = "file-system-certificate"
    API_GATEWAY = "api-gateway"
    HTTP_ROUTE = "http-route"


OTHER_KINDS = (
    *("service-router", "service-splitter", "service-resolver", "exported-services", "sameness-group"),
    *("ingress-gateway", "terminating-gateway", "tcp-route", "inline-certificate", "jwt-provider"),
)
"""Kinds of config entry that no posture consists of. Consul itself makes the remaining one, `bound-api-gateway`."""


@dataclass(frozen=True)
class Entry:
    """One config entry: Consul knows it by kind and name; ``body`` is the rest of its fields."""

    kind: Kind
    name: str
    body: Body

    @property
    def label(self) -> str:
        """What people know it by: `KIND/NAME`."""
        return f"{self.kind}/{self.name}"

    @property
    def json(self) -> str:
        """The body as Pulumi's `ConfigEntry` takes it: compact JSON with sorted keys."""
        return json.dumps(self.body, sort_keys=True, separators=(",", ":"))


_OF_PROXIES: Body = {"Expose": {}, "MeshGateway": {}, "TransparentProxy": {}}
FILLED_IN: dict[Kind, Body] = {
    Kind.PROXY_DEFAULTS: {**_OF_PROXIES, "AccessLogs": {}},
    Kind.SERVICE_DEFAULTS: _OF_PROXIES,
}
"""Fields that Consul answers with although nobody has set them."""

SCALAR_POINTERS = frozenset(
    {
        "BaseEjectionTime",
        "EnforcingConsecutive5xx",
        "MaxConcurrentRequests",
        "MaxConnections",
        "MaxEjectionPercent",
        "MaxPendingRequests",
    }
)
"""Fields in which 0 says something else than nothing: pointers in Consul's UpstreamLimits and PassiveHealthCheck."""


def precedence(source: str, destination: str) -> int:
    """The figure that Consul gives an intention (`computeIntentionPrecedence`): the higher one decides."""
    return {(False, False): 9, (True, False): 8, (False, True): 6, (True, True): 5}[source == "*", destination == "*"]
