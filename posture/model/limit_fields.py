"""What a limit compiles to: fields of its service's `service-defaults` (`limit_reading` goes the other way).

Community Edition refuses `RateLimits`, so a rate is a Lua filter there, which Consul puts right behind the rules (its
`builtin/lua`): a request that the rules deny takes no token, and a 429 says that they allow it. Enterprise has the
native field where that means the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from posture.model.limiter import lua_of
from posture.model.limits import RouteRate
from posture.model.rates import PER_CALLER, rate_words, rates_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from posture.model.limits import Limit, Rate, UpstreamLimits

__all__ = ["DEFAULT_PROXIES", "Edition", "Proxies", "limit_fields"]

Body = dict[str, Any]
_LUA = "builtin/lua"
_SECOND = 1_000_000_000
"""In the nanoseconds that Consul's API counts in."""


class Edition(StrEnum):
    """Of Consul; Enterprise has `RateLimits`."""

    COMMUNITY = "community"
    ENTERPRISE = "enterprise"


@dataclass(frozen=True)
class Proxies:
    """What runs a posture: Consul's edition, and how many worker threads each Envoy has."""

    edition: Edition = Edition.COMMUNITY
    workers: int = 1


DEFAULT_PROXIES = Proxies()


def limit_fields(service: str, limit: Limit | None, proxies: Proxies, *, gateway: bool = False) -> Body:
    """The fields of a service, or of the gateway, that limit it; none without a limit."""
    if limit is None:
        return {}
    fields: Body = {}
    if limit.max_inbound_connections:
        fields["MaxInboundConnections"] = limit.max_inbound_connections
    native = _native(limit) if proxies.edition is Edition.ENTERPRISE and not gateway else None
    if native:
        fields["RateLimits"] = native
    elif limit.has_rates:
        fields |= _lua(service, limit, proxies, gateway=gateway)
    if limit.upstreams:
        fields["UpstreamConfig"] = {"Overrides": [_upstream(*each) for each in sorted(limit.upstreams.items())]}
    return fields


def _lua(service: str, limit: Limit, proxies: Proxies, *, gateway: bool) -> Body:
    """The filter. To Consul all listeners of a gateway are "outbound" (its `IsInboundPublicListener`)."""
    arguments = {
        "ProxyType": "api-gateway" if gateway else "connect-proxy",
        "Listener": "outbound" if gateway else "inbound",
        "Script": lua_of(service, proxies.workers, _parameters(limit)),
    }
    filled_in = {"ConsulVersion": "", "EnvoyVersion": ""}
    fields: Body = {"EnvoyExtensions": [{"Name": _LUA, "Required": True, "Arguments": arguments, **filled_in}]}
    if proxies.workers > 1 and not gateway:
        fields["BalanceInboundConnections"] = "exact_balance"
    return fields


def _parameters(limit: Limit) -> Iterator[Body]:
    for aspect, rate in rates_of(limit):
        name = f"{rate_words(rate)} {aspect}"
        if isinstance(rate, RouteRate):
            methods = f" {' '.join(rate.methods)} " if rate.methods else None
            match = {"exact": rate.path_exact, "prefix": rate.path_prefix, "methods": methods}
            given = {key: value for key, value in match.items() if value}
            yield {"of": "route", "name": name, **_numbers(rate), **given}
        else:
            yield {"of": "caller" if aspect == PER_CALLER else "service", "name": name, **_numbers(rate)}


def _numbers(rate: Rate) -> Body:
    whole = rate.requests_per_second.is_integer()
    return {"rate": int(rate.requests_per_second) if whole else rate.requests_per_second, "burst": rate.capacity}


def _native(limit: Limit) -> Body | None:
    """`RateLimits`, where they mean the same.

    They know neither callers nor methods, count whole requests a second, take a burst of a second at least, and have a
    route's rate *instead of* the service's (structs.InstanceLevelRateLimits of 1.22.7).
    """
    rates = [*(limit.routes or ()), *([limit.whole] if limit.whole else [])]
    if limit.per_caller or not rates or (limit.routes and limit.whole):
        return None
    whole_numbers = all(rate.requests_per_second.is_integer() for rate in rates)
    if not whole_numbers or any(rate.capacity < rate.requests_per_second for rate in rates):
        return None
    if any(route.methods for route in limit.routes or ()):
        return None
    level: Body = _native_rate(limit.whole) if limit.whole else {}
    if limit.routes:
        level["Routes"] = [{**_native_path(each), **_native_rate(each)} for each in limit.routes]
    return {"InstanceLevel": level}


def _native_path(route: RouteRate) -> Body:
    return {"PathExact": route.path_exact} if route.path_exact else {"PathPrefix": route.path_prefix}


def _native_rate(rate: Rate) -> Body:
    return {"RequestsPerSecond": int(rate.requests_per_second), "RequestsMaxBurst": rate.capacity}


def _upstream(name: str, upstream: UpstreamLimits) -> Body:
    """An override; what Consul fills in is written out."""
    limits = {
        "MaxConnections": upstream.max_connections,
        "MaxPendingRequests": upstream.max_pending_requests,
        "MaxConcurrentRequests": upstream.max_concurrent_requests,
    }
    body: Body = {"Name": name, "Peer": "", "MeshGateway": {}}
    if any(limits.values()):
        body["Limits"] = {key: value for key, value in limits.items() if value}
    check = upstream.passive_health_check
    if check:
        body["PassiveHealthCheck"] = {
            "Interval": check.interval * _SECOND,
            "MaxFailures": check.max_failures,
            "BaseEjectionTime": check.base_ejection_time * _SECOND,
        }
    return body
