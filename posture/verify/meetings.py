"""Who could meet a limited rate, and by which request: one that is allowed, and that no other limit refuses first."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from posture.model.access import Arrival, Request
from posture.model.matrix import rule_samples, samples
from posture.model.rates import rates_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from posture.model.access import Access
    from posture.model.application import Application
    from posture.model.limits import Limit, Rate
    from posture.verify.target import Endpoint, NearTarget

__all__ = ["Meeting", "lasting", "meetings"]

_SECONDS = 3.0
_CONNECTIONS, _OF_SEVERAL_WORKERS = 4, 32
"""Connections are balanced between an Envoy's workers at sidecars only; at a gateway it takes many to be even."""


@dataclass(frozen=True)
class Meeting:
    """A request that meets rates. ``identity`` is None for a visitor, whose source is the gateway."""

    service: str
    source: str
    identity: str | None
    endpoint: Endpoint
    method: str
    path: str
    on_the_way: tuple[tuple[str, Rate], ...] = ()
    rates: tuple[tuple[str, Rate], ...] = ()
    """Those at ``service`` by aspect; ``on_the_way`` has all, by service."""
    connections: int = _CONNECTIONS
    """On which to send it."""
    places: int | None = None
    """The connections that the service takes at once, if that is limited."""
    workers: int = 1
    """Of the proxy that keeps the rates, each of which has its own part of them."""


def lasting(rate: Rate, seconds: float) -> float:
    """The requests that a rate lets through in so many seconds, from a full bucket."""
    return rate.requests_per_second * seconds + rate.capacity


def meetings(
    target: NearTarget,
    application: Application,
    access: Access,
    service: str,
    aspect: str | None,
) -> Iterator[Meeting]:
    """Requests to a service, or to the gateway, by which the rate of this aspect is the first to be used up.

    Without an aspect, any that is allowed. GET comes first.
    """
    if service == application.gateway.name:
        found = _arrivals(target, application, access)
    else:
        found = _requests(target, application, access, service)
    for meeting in found:
        mine = [rate for name, rate in meeting.rates if name == aspect]
        least = min((lasting(rate, _SECONDS) for _, rate in meeting.on_the_way), default=None)
        if aspect is None or (mine and lasting(mine[0], _SECONDS) == least):
            yield meeting


def _arrivals(target: NearTarget, application: Application, access: Access) -> Iterator[Meeting]:
    gateway = application.gateway
    workers = _workers(target, gateway.name)
    connections = _OF_SEVERAL_WORKERS if workers > 1 else _CONNECTIONS
    for route in gateway.routes:
        arrival = Arrival(gateway.name, "GET", route.path)
        service = next((name for name in application.services if access.enter(arrival, name).allowed), None)
        if service:
            here = _rates(access.limits.get(gateway.name), "GET", route.path)
            there = _rates(access.limits.get(service), "GET", route.path)
            both = [*((gateway.name, rate) for _, rate in here), *((service, rate) for _, rate in there)]
            entrance = target.entrance()
            yield Meeting(
                *(gateway.name, gateway.name, None, entrance, "GET", route.path, tuple(both), here),
                connections=connections,
                workers=workers,
            )


def _requests(target: NearTarget, application: Application, access: Access, service: str) -> Iterator[Meeting]:
    if not access.is_http(service):
        return
    limit, places = access.limits.get(service), access.connection_limit(service)
    connections = min(_CONNECTIONS, places or _CONNECTIONS)
    endpoint = target.sidecars(service)[0]
    workers = _workers(target, endpoint.instance)
    wanted = chain(samples(application), rule_samples(access, application))
    asked = [(sample.method, sample.path) for sample in wanted if sample.destination == service]
    for route in limit.routes or () if limit else ():
        path = route.path_exact or route.path_prefix
        asked += [(method, path or each) for method in route.methods or ("GET",) for _, each in asked[:1]]
    for method, path in sorted(dict.fromkeys(asked), key=lambda each: each[0] != "GET"):
        for source in sorted(application.sources - {service}):
            if access.decide(Request(source, service, method, path)).allowed:
                rates = _rates(limit, method, path)
                on_the_way = tuple((service, rate) for _, rate in rates)
                yield Meeting(
                    *(service, source, source, endpoint, method, path, on_the_way, rates),
                    connections=connections,
                    places=places,
                    workers=workers,
                )


def _workers(target: NearTarget, proxy: str) -> int:
    info = json.loads(target.envoy(proxy, "/server_info") or "{}")
    return int(info.get("command_line_options", {}).get("concurrency", 1))


def _rates(limit: Limit | None, method: str, path: str) -> tuple[tuple[str, Rate], ...]:
    return tuple(rates_for(limit, method, path)) if limit else ()
