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
    return value if isinstance(value, int | float) and not isinstance(value, bool) and value > 0 else None


def _native(limits: Body | None) -> dict[str, Any]:
    level = (limits or {}).get("InstanceLevel") or {}
    rates = [
        (each, _rate(each.get("RequestsPerSecond"), each.get("RequestsMaxBurst"))) for each in level.get("Routes") or ()
    ]
    routes = tuple(
        RouteRate.model_construct(
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
    for extension in body.get("EnvoyExtensions") or ():
        limiter = limiter_of((extension.get("Arguments") or {}).get("Script", ""))
        for each in limiter.limits if limiter else ():
            rate = _rate(each.get("rate"), each.get("burst"))
            if not rate:
                continue
            if each.get("of") == "service":
                found |= rate
            elif each.get("of") == "caller":
                found["per_caller"] = Rate.model_construct(**rate)
            else:
                methods = tuple(str(each["methods"]).split()) if "methods" in each else None
                match = _given(path_exact=each.get("exact"), path_prefix=each.get("prefix"), methods=methods)
                found["routes"] = (*found.get("routes", ()), RouteRate.model_construct(**match, **rate))
    return found


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
    return PassiveHealthCheck.model_construct(None, max_failures=body["MaxFailures"], **seconds)
