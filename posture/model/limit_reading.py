"""What the fields of a `service-defaults` limit, read back: the other way of `limit_fields`.

Reports and policies read entries, so that they speak of what is applied and not of what somebody meant.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from posture.model.limiter import limiter_of
from posture.model.limits import Limit, PassiveHealthCheck, Rate, RouteRates, UpstreamLimits

if TYPE_CHECKING:
    from collections.abc import Mapping

    Body = Mapping[str, Any]

__all__ = ["limit_of"]

_SECOND = 1_000_000_000
_ENVOYS_PERCENT = 10
"""Of the instances that a passive health check may leave out, where an entry doesn't say."""


def limit_of(body: Body) -> Limit | None:
    """The limit, bursts written out; None without one. A Lua filter that isn't our limiter limits nothing known.

    Nothing is checked that was only ever wrong in a posture: a figure that is no positive number limits nothing.
    """
    upstreams = {each["Name"]: _upstream(each) for each in (body.get("UpstreamConfig") or {}).get("Overrides") or ()}
    found = _given(
        max_inbound_connections=_positive(body.get("MaxInboundConnections")),
        upstreams={name: upstream for name, upstream in upstreams.items() if upstream.model_fields_set} or None,
        **(_native(body.get("RateLimits")) or _filtered(body)),
    )
    return Limit.model_construct(**found) if found else None


def _given(**fields: Any) -> dict[str, Any]:  # noqa: ANN401 - fields of any type
    return {name: value for name, value in fields.items() if value is not None}


def _positive(value: Any) -> Any:  # noqa: ANN401 - any JSON; a number of either type, or None
    return value if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf else None


def _native(limits: Body | None) -> dict[str, Any]:
    level = (limits or {}).get("InstanceLevel") or {}
    rates = [
        (each, _rate(each.get("RequestsPerSecond"), each.get("RequestsMaxBurst"))) for each in level.get("Routes") or ()
    ]
    routes = tuple(
        RouteRates.model_construct(
            **_given(path_exact=each.get("PathExact"), path_prefix=each.get("PathPrefix")), **rate
        )
        for each, rate in rates
        if rate
    )
    return {**_rate(level.get("RequestsPerSecond"), level.get("RequestsMaxBurst")), **_given(routes=routes or None)}


def _rate(per_second: object, burst: object) -> dict[str, Any]:
    """Both; none without requests per second."""
    return _given(requests_per_second=per_second, burst=_positive(burst)) if _positive(per_second) else {}


def _filtered(body: Body) -> dict[str, Any]:
    found: dict[str, Any] = {}
    routes: dict[Any, dict[str, Any]] = {}
    for extension in body.get("EnvoyExtensions") or ():
        limiter = limiter_of((extension.get("Arguments") or {}).get("Script", ""))
        for each in limiter.limits if limiter else ():
            rate = _rate(each.get("rate"), each.get("burst"))
            if rate:
                limited = routes.setdefault(str(each["route"]), _match(each)) if "route" in each else found
                limited |= {"per_caller": Rate.model_construct(**rate)} if each.get("of") == "caller" else rate
    return {**found, **_given(routes=tuple(RouteRates.model_construct(**each) for each in routes.values()) or None)}


def _match(limit: Body) -> dict[str, Any]:
    methods = tuple(str(limit["methods"]).split()) if "methods" in limit else None
    return _given(path_exact=limit.get("exact"), path_prefix=limit.get("prefix"), methods=methods)


def _upstream(body: Body) -> UpstreamLimits:
    limits, check = body.get("Limits") or {}, body.get("PassiveHealthCheck")
    return UpstreamLimits.model_construct(
        **_given(
            max_connections=_positive(limits.get("MaxConnections")),
            max_pending_requests=_positive(limits.get("MaxPendingRequests")),
            max_concurrent_requests=_positive(limits.get("MaxConcurrentRequests")),
            passive_health_check=_check(check) if check and _positive(check.get("MaxFailures")) else None,
        )
    )


def _check(body: Body) -> PassiveHealthCheck:
    interval, ejection = (_positive(body.get(key)) for key in ("Interval", "BaseEjectionTime"))
    seconds = _given(interval=interval and interval // _SECOND, base_ejection_time=ejection and ejection // _SECOND)
    most = body.get("MaxEjectionPercent")
    percent = _ENVOYS_PERCENT if most is None else _positive(most) or 0
    return PassiveHealthCheck.model_construct(
        None, max_failures=body["MaxFailures"], max_ejection_percent=percent, **seconds
    )
