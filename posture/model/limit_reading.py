"""What the fields of a `service-defaults` limit, read back: the other way of `limit_fields`.

Reports and policies read entries, so that they speak of what is applied and not of what somebody meant.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from posture.model.limiter import limiter_of
from posture.model.limits import Limit, PassiveHealthCheck, Rate, RouteRate, UpstreamLimits

if TYPE_CHECKING:
    from collections.abc import Mapping

    Body = Mapping[str, Any]

__all__ = ["limit_of"]

_SECOND = 1_000_000_000


def limit_of(body: Body) -> Limit | None:
    """The limit, bursts written out; None without one. A Lua filter that isn't our limiter limits nothing known."""
    upstreams = (body.get("UpstreamConfig") or {}).get("Overrides") or ()
    found = _given(
        max_inbound_connections=body.get("MaxInboundConnections") or None,
        upstreams={each["Name"]: _upstream(each) for each in upstreams} or None,
        **(_native(body.get("RateLimits")) or _filtered(body)),
    )
    return Limit(**found) if found else None


def _given(**fields: Any) -> dict[str, Any]:  # noqa: ANN401 - fields of any type
    return {name: value for name, value in fields.items() if value is not None}


def _native(limits: Body | None) -> dict[str, Any]:
    level = (limits or {}).get("InstanceLevel") or {}
    whole = _native_rate(level) if level.get("RequestsPerSecond") else {}
    routes = tuple(
        RouteRate(**_given(path_exact=each.get("PathExact"), path_prefix=each.get("PathPrefix")), **_native_rate(each))
        for each in level.get("Routes") or ()
    )
    return {**whole, **_given(routes=routes or None)}


def _native_rate(level: Body) -> dict[str, Any]:
    return _given(requests_per_second=level["RequestsPerSecond"], burst=level.get("RequestsMaxBurst") or None)


def _filtered(body: Body) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for extension in body.get("EnvoyExtensions") or ():
        limiter = limiter_of((extension.get("Arguments") or {}).get("Script", ""))
        for each in limiter.limits if limiter else ():
            rate = {"requests_per_second": each["rate"], "burst": each["burst"]}
            if each["of"] == "service":
                found |= rate
            elif each["of"] == "caller":
                found["per_caller"] = Rate(**rate)
            else:
                methods = tuple(each["methods"].split()) if "methods" in each else None
                match = _given(path_exact=each.get("exact"), path_prefix=each.get("prefix"), methods=methods)
                found["routes"] = (*found.get("routes", ()), RouteRate(**match, **rate))
    return found


def _upstream(body: Body) -> UpstreamLimits:
    limits, check = body.get("Limits") or {}, body.get("PassiveHealthCheck")
    return UpstreamLimits(
        **_given(
            max_connections=limits.get("MaxConnections"),
            max_pending_requests=limits.get("MaxPendingRequests"),
            max_concurrent_requests=limits.get("MaxConcurrentRequests"),
            passive_health_check=_check(check) if check else None,
        )
    )


def _check(body: Body) -> PassiveHealthCheck:
    times = {"interval": body.get("Interval"), "base_ejection_time": body.get("BaseEjectionTime")}
    seconds = {name: nanoseconds // _SECOND for name, nanoseconds in times.items() if nanoseconds}
    return PassiveHealthCheck(max_failures=body["MaxFailures"], **seconds)
