"""The gateway's entries of a round, and when its Envoy has them.

Each route comes to the gateway by itself, so each is marked: with a header that it adds, of the round's own, which
neither rules nor the application look at. A route of the lab's leads to every http service, whatever the case holds; it
keeps the gateway listening, and by it a connection to each service is used up that was made under earlier rules.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from posture.model.entries import Entry, Kind
from tests.fuzz.cases import GATEWAY, PROTOCOLS

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "GATEWAY_PORT",
    "HTTP_SERVICES",
    "LISTENER",
    "entrance_entries",
    "lab_path",
    "listener",
    "marks_served",
    "parents",
]

GATEWAY_PORT, LISTENER = 9553, "in"
HTTP_SERVICES = tuple(name for name, protocol in PROTOCOLS.items() if protocol == "http")
_MARK = "x-lab"


def parents() -> list[dict[str, Any]]:
    return [{"Kind": Kind.API_GATEWAY, "Name": GATEWAY, "SectionName": LISTENER}]


def listener(hostname: str = "") -> Entry:
    own = {"Hostname": hostname} if hostname else {}
    listeners = [{"Name": LISTENER, "Port": GATEWAY_PORT, "Protocol": "http", **own}]
    return Entry(Kind.API_GATEWAY, GATEWAY, {"Listeners": listeners})


def lab_path(service: str) -> str:
    """Longer than any path of a case, so that it is tried before all of them."""
    return f"/lab/{service}/{'-' * 40}"


def entrance_entries(entries: Iterable[Entry], marker: str) -> tuple[list[Entry], set[str]]:
    """A case's gateway and routes, marked, with the lab's own; and the marks by which they are known.

    Raises:
        ValueError: A route that the gateway would not serve, whose mark would be waited for in vain.
    """
    entries = list(entries)
    gateway = next((entry for entry in entries if entry.kind == Kind.API_GATEWAY), listener())
    routes = [entry for entry in entries if entry.kind == Kind.HTTP_ROUTE]
    hostname = gateway.body["Listeners"][0].get("Hostname", "")
    hosts = [route.body.get("Hostnames", [hostname]) for route in routes]
    served = all(any(host.endswith(hostname.removeprefix("*")) for host in each) for each in hosts)
    if gateway != listener(hostname) or not served or any(route.body["Parents"] != parents() for route in routes):
        raise ValueError("not served")
    rules = [
        {"Matches": [{"Path": {"Match": "exact", "Value": lab_path(name)}}], "Services": [{"Name": name}]}
        for name in HTTP_SERVICES
    ]
    routes.append(Entry(Kind.HTTP_ROUTE, "lab", {"Parents": parents(), "Rules": rules}))
    marked = [(route, f"{marker}-{route.name}") for route in routes]
    return [gateway, *(_marked(route, mark) for route, mark in marked)], {mark for _, mark in marked}


def _marked(route: Entry, mark: str) -> Entry:
    rules = []
    for rule in route.body["Rules"]:
        filters = rule.get("Filters", {})
        headers = [*filters.get("Headers", ()), {"Add": {_MARK: mark}}]
        rules.append({**rule, "Filters": {**filters, "Headers": headers}})
    return replace(route, body={**route.body, "Rules": rules})


def marks_served(dump: Any) -> set[str]:
    """The marks in what the gateway's Envoy routes by (`/config_dump?resource=dynamic_route_configs`)."""
    if isinstance(dump, dict):
        if dump.get("key") == _MARK:
            return {dump["value"]}
        return set().union(*map(marks_served, dump.values()))
    return set().union(*map(marks_served, dump)) if isinstance(dump, list) else set()
