"""Limits in words, and what changes from one to another."""

from __future__ import annotations

import math
from itertools import zip_longest
from typing import TYPE_CHECKING, NamedTuple

from posture.model.limits import Limit
from posture.model.rates import limited_words, rate_words, rates_for, rates_of
from posture.model.route_changes import route_changes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from posture.model.limit_fields import Proxies
    from posture.model.limits import UpstreamLimits

__all__ = [
    "LimitChange",
    "limit_changes",
    "limit_words",
    "limits_at",
    "limits_towards",
    "slow_words",
    "upstream_words",
]

_CONNECTIONS = "connections"
_NONE = Limit.model_construct()


class LimitChange(NamedTuple):
    """A change of what limits a service, in words, and whether more gets through after it."""

    service: str
    words: str
    loosens: bool


class _Aspect(NamedTuple):
    """One thing that is limited, in words, and how far: figures that are the looser the higher they are."""

    words: str
    figures: tuple[float, ...]


def limit_words(limit: Limit) -> list[str]:
    """As in "5/s per caller, burst 10"."""
    return [aspect.words for aspect in _aspects(limit).values()]


def limit_changes(before: Mapping[str, Limit], after: Mapping[str, Limit]) -> list[LimitChange]:
    """As in "productpage: 5/s per caller, burst 10, was unlimited"; both are by service. What loosens comes first."""
    found = []
    for service in dict.fromkeys([*before, *after]):
        old, new = before.get(service, _NONE), after.get(service, _NONE)
        changes = [*route_changes(old.routes or (), new.routes or ()), *_changes(old, new)]
        changes.sort(key=lambda change: not change[1])
        found += [LimitChange(service, f"{service}: {words}", loosens) for words, loosens in changes]
    return found


def limits_at(service: str, limit: Limit | None, method: str, path: str) -> list[str]:
    """Those that a request meets at the proxy of a service, or of the gateway; ``path`` has no query."""
    if limit is None:
        return []
    aspects = _aspects(limit)
    met = [_CONNECTIONS] if limit.max_inbound_connections else []
    return [
        f"{service}: {aspects[aspect].words}"
        for aspect in (*met, *(aspect for aspect, _ in rates_for(limit, method, path)))
    ]


def limits_towards(service: str, limit: Limit | None, upstream: str) -> list[str]:
    """Those that a service's own proxy holds its requests back by."""
    given = limit and upstream in (limit.upstreams or {})
    return [f"{service}: {_aspects(limit)[f'to {upstream}'].words}"] if limit and given else []


def upstream_words(upstream: UpstreamLimits) -> Iterator[str]:
    """As in "32 connections at once", for each thing that is held back."""
    for count, words in (
        (upstream.max_connections, "connection"),
        (upstream.max_pending_requests, "pending request"),
        (upstream.max_concurrent_requests, "request"),
    ):
        if count:
            yield f"{_count(count, words)} at once"
    check = upstream.passive_health_check
    if check:
        failures = _count(check.max_failures, "failure")
        yield f"without an instance for {check.base_ejection_time:g} s after {failures} in a row"
        yield f"looking each {check.interval:g} s who comes back"
        yield f"leaving out {check.max_ejection_percent} % of them at most"


def slow_words(limits: Mapping[str, Limit], proxies: Proxies, gateway: str) -> list[str]:
    """What becomes of rates so low that a worker gets less than one request a second of them."""
    return [
        f"{service}: {rate_words(rate)} {aspect} is one request in {workers / rate.requests_per_second:g} s for each "
        f"of {workers} workers; a caller that keeps one connection gets no more than that"
        for service, limit in limits.items()
        for workers in [proxies.workers_of(gateway=service == gateway)]
        for aspect, rate in rates_of(limit)
        if workers > 1 and rate.requests_per_second < workers
    ]


def _changes(before: Limit, after: Limit) -> Iterator[tuple[str, bool]]:
    """Of all but routes, which take requests from each other."""
    old, new = (_aspects(limit.model_copy(update={"routes": None})) for limit in (before, after))
    for aspect in dict.fromkeys([*old, *new]):
        then = old.get(aspect, _Aspect("unlimited", ()))
        now = new.get(aspect, _Aspect(f"unlimited {aspect}", ()))
        if then != now:
            pairs = zip_longest(then.figures, now.figures, fillvalue=math.inf)
            yield f"{now.words}, was {then.words}", any(higher > figure for figure, higher in pairs)


def _aspects(limit: Limit) -> dict[str, _Aspect]:
    """Each thing that is limited, by what it is."""
    found = {}
    most = limit.max_inbound_connections
    if most:
        found[_CONNECTIONS] = _Aspect(f"{_count(most, 'connection')} at once", (most,))
    for aspect, rate in rates_of(limit):
        found[aspect] = _Aspect(limited_words((aspect, rate)), (rate.requests_per_second, rate.capacity))
    for name, upstream in sorted((limit.upstreams or {}).items()):
        found[f"to {name}"] = _Aspect(f"to {name} {', '.join(upstream_words(upstream))}", _figures(upstream))
    return found


def _figures(upstream: UpstreamLimits) -> tuple[float, ...]:
    check = upstream.passive_health_check
    counts = (
        upstream.max_connections,
        upstream.max_pending_requests,
        upstream.max_concurrent_requests,
        *((check.max_failures, -check.max_ejection_percent) if check else ()),  # the fewer may be left out, the looser
    )
    return tuple(math.inf if count is None else count for count in counts)


def _count(number: int, words: str) -> str:
    return f"{number} {words}{'' if number == 1 else 's'}"
