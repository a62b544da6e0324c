"""The places of a service that limits its connections: who holds them, and how those held in reserve are given back.

A connection holds its place while it is idle (measured), and proxies keep theirs for an hour. Envoy's connection limit
filter counts both (`connection_limit.inbound_connection_limit.*`; the prefix is Consul's, agent/xds/listeners.go).
Consul's own check of a sidecar's port takes a place for an instant once a second, and counts as refused if there is
none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from posture.model.access import Arrival, Request

if TYPE_CHECKING:
    from collections.abc import Iterator

    from posture.model.access import Access
    from posture.model.application import Application
    from posture.verify.target import Target

__all__ = ["count", "give_back", "loaders", "make_room", "refused", "taken"]

_REFUSED_HEADER = "x_release: 1"
"""A header that a sidecar refuses under REJECT_REQUEST, answering 400 and closing: so the pooled connection that
brought it is given back."""

_MOST = 64


def taken(target: Target, service: str) -> int:
    """The connections that the fullest of a service's instances has, all of them counted; 0 without a limit."""
    stat = r"^connection_limit\.inbound_connection_limit\.active_connections$"
    return max((count(target, each, stat) or 0 for each in target.instances(service)), default=0)


def refused(target: Target, service: str) -> int | None:
    """How many connections the limits of a service's instances have refused; None if there is no limit."""
    stat = r"^connection_limit\.inbound_connection_limit\.limited_connections$"
    counts = [count(target, each, stat) for each in target.instances(service)]
    return None if None in counts else sum(each or 0 for each in counts)


def count(target: Target, instance: str, stat: str) -> int | None:
    """The sum of an Envoy's counters and gauges whose names match; None if none does."""
    lines = (target.envoy(instance, f"/stats?filter={stat}") or "").splitlines()
    values = [int(value) for _, _, value in (line.rpartition(": ") for line in lines) if value.isdigit()]
    return sum(values) if values else None


def loaders(application: Application, access: Access, service: str) -> Iterator[tuple[str, str]]:
    """The clients that may load a service, each with a path that it may GET."""
    for name, client in application.clients.items():
        for call in client.calls:
            request = Request(name, service, "GET", call.path)  # GET is what Fortio sends
            if call.to == service and call.method == "GET" and access.decide(request).allowed:
                yield name, call.path
                break


def make_room(target: Target, application: Application, access: Access) -> None:
    """Have idle connections closed to all services that limit theirs, or nobody could ask them."""
    for service in application.services:
        give_back(target, application, access, service)


def give_back(target: Target, application: Application, access: Access, service: str) -> None:
    """Have the gateway and the clients close their idle connections to a service; what else holds places stays."""
    if access.connection_limit(service) is None:
        return
    stat = rf"^cluster\.{service}\..*\.upstream_cx_active$"
    for client, path in loaders(application, access, service):
        held = count(target, client, stat)
        if held:
            options = ("-c", "1", "-qps", "0", "-n", str(min(held, _MOST)), "-H", _REFUSED_HEADER)
            target.load(client, service, path, *options, "-allow-initial-errors")
    gateway = application.gateway
    route = next((route for route in gateway.routes if route.to == service), None)
    for _ in range(_MOST):
        if route is None or not count(target, gateway.name, stat):
            return
        name, _, value = _REFUSED_HEADER.partition(": ")
        target.enter(Arrival(gateway.name, "GET", route.path, {name: value}))
