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
from posture.model.rates import is_per_caller, rate_words, rates_of_any_request, rates_of_route

if TYPE_CHECKING:
    from collections.abc import Iterator

    from posture.model.limits import Limit, Rate, RouteRates, UpstreamLimits

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
    """What runs a posture: Consul's edition, and how many worker threads each Envoy has, the gateway's by itself."""

    edition: Edition = Edition.COMMUNITY
    workers: int = 1
    gateway_workers: int = 1

    def workers_of(self, *, gateway: bool) -> int:
        """How many the gateway's Envoy has, or each of the others."""
        return self.gateway_workers if gateway else self.workers


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
    workers = proxies.workers_of(gateway=gateway)
    arguments = {
        "ProxyType": "api-gateway" if gateway else "connect-proxy",
        "Listener": "outbound" if gateway else "inbound",
        "Script": lua_of(service, workers, _parameters(limit)),
    }
    filled_in = {"ConsulVersion": "", "EnvoyVersion": ""}
    fields: Body = {"EnvoyExtensions": [{"Name": _LUA, "Required": True, "Arguments": arguments, **filled_in}]}
    if workers > 1 and not gateway:
        fields["BalanceInboundConnections"] = "exact_balance"
    return fields


def _parameters(limit: Limit) -> Iterator[Body]:
    """One for each rate; those of one route have its number and its match in common."""
    for number, route in enumerate(limit.routes or (), start=1):
        methods = f" {' '.join(route.methods)} " if route.methods else None
        match = {"exact": route.path_exact, "prefix": route.path_prefix, "methods": methods}
        given = {key: value for key, value in match.items() if value}
        for aspect, rate in rates_of_route(route):
            yield {**_parameter(aspect, rate), "route": number, **given}
    for aspect, rate in rates_of_any_request(limit):
        yield _parameter(aspect, rate)


def _parameter(aspect: str, rate: Rate) -> Body:
    of = "caller" if is_per_caller(aspect) else "all"
    return {"of": of, "name": f"{rate_words(rate)} {aspect}", **_numbers(rate)}


def _numbers(rate: Rate) -> Body:
    whole = rate.requests_per_second.is_integer()
    return {"rate": int(rate.requests_per_second) if whole else rate.requests_per_second, "burst": rate.capacity}


def _native(limit: Limit) -> Body | None:
    """`RateLimits`, where they mean the same.

    They know neither callers nor methods, count whole requests a second, take a burst of a second at least, and have a
    route's rate *instead of* the service's (structs.InstanceLevelRateLimits of 1.22.7).
    """
    routes = limit.routes or ()
    rates = [each for each in (limit.whole, *(route.whole for route in routes)) if each]
    if any(each.per_caller for each in (limit, *routes)) or not rates or (routes and limit.whole):
        return None
    whole_numbers = all(rate.requests_per_second.is_integer() for rate in rates)
    if not whole_numbers or any(rate.capacity < rate.requests_per_second for rate in rates):
        return None
    if any(route.methods for route in routes):
        return None
    level: Body = _native_rate(limit.whole) if limit.whole else {}
    if routes:
        level["Routes"] = [{**_native_path(each), **_native_rate(each.whole)} for each in routes if each.whole]
    return {"InstanceLevel": level}


def _native_path(route: RouteRates) -> Body:
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
            "MaxEjectionPercent": check.max_ejection_percent,
        }
    return body
