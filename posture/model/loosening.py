"""Where one set of entries may open what another doesn't, and the requests that show it best."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from posture.model.coverage import Uncovered, uncovered, who
from posture.model.entry import Kind
from posture.model.intentions import ANYONE
from posture.model.matrix import Sample

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from posture.model.access import Access
    from posture.model.application import Application

__all__ = ["loosened", "loosened_samples"]

_METHODS = ("POST", "PUT", "PATCH", "DELETE", "TRACE")


@lru_cache(maxsize=1)  # a difference asks twice: for samples, and for what none of these shows
def loosened(old: Access, new: Access) -> tuple[tuple[str, Uncovered], ...]:
    """What intentions may open, by destination; what is said of all destinations comes by `*` as well."""
    return tuple(_loosened(old, new))


def _loosened(old: Access, new: Access) -> Iterator[tuple[str, Uncovered]]:
    before, after = (_bodies(each, Kind.SERVICE_INTENTIONS) for each in (old, new))
    for destination in dict.fromkeys([*after, *before]):
        then, now = before.get(destination, {}), after.get(destination, {})
        general = before.get(ANYONE, {}), after.get(ANYONE, {})
        wholes = _with_general(then, general[0]), _with_general(now, general[1])
        if wholes[0] != wholes[1]:
            yield from ((destination, each) for each in uncovered(*wholes))
        if then != now and any(source["Name"] == ANYONE for source in now.get("Sources") or ()):
            # It opens by itself even to those of whom something is said for all destinations (see `intentions`).
            yield from ((destination, each) for each in uncovered(then, now))


def loosened_samples(old: Access, new: Access, application: Application) -> Iterator[Sample]:
    """Requests beside those that are always tried, where a looser rule would not show by these.

    Those of a gateway come by its routes alone, so their paths are tried. Without methods a rule allows all, so one is
    tried that no rule of before names. Routes themselves may have become wider.
    """
    gateway = application.gateway
    routed: dict[str, list[str]] = {}
    for route in gateway.routes:
        routed.setdefault(route.to, []).append(route.path)
    before = _bodies(old, Kind.SERVICE_INTENTIONS)
    for destination, (source, http) in loosened(old, new):
        if http is None or destination not in application.services:
            continue
        methods = http.get("Methods") or (_other_method(before.get(destination, {})),)
        paths = routed.get(destination, ()) if source in {gateway.name, ANYONE} else ()
        for path in _paths(http, paths):
            yield from (Sample(destination, method, path) for method in methods)
    yield from _changed_routes(old, new, application)


def _bodies(access: Access, kind: Kind) -> dict[str, Mapping[str, Any]]:
    return {entry.name: entry.body for entry in access.entries if entry.kind == kind}


def _with_general(body: Mapping[str, Any], general: Mapping[str, Any]) -> Mapping[str, Any]:
    """What is said of a destination, and what is said of all of sources that it doesn't mention itself."""
    own = {who(source) for source in body.get("Sources") or ()}
    others = [source for source in general.get("Sources") or () if who(source) not in own]
    return {**body, "Sources": [*(body.get("Sources") or ()), *others]}


def _other_method(body: Mapping[str, Any]) -> str:
    permissions = (each for source in body.get("Sources") or () for each in source.get("Permissions") or ())
    named = {method for each in permissions for method in (each.get("HTTP") or {}).get("Methods") or ()}
    return next((each for each in _METHODS if each not in named), "HEAD")


def _paths(http: Mapping[str, Any], routed: Iterable[str]) -> Iterator[str]:
    """Its own path, and those routed ones that it may match; of a regular expression nobody knows."""
    exact, prefix = str(http.get("PathExact") or ""), str(http.get("PathPrefix") or "")
    yield exact or prefix or "/"
    yield from (each for each in routed if exact in {"", each} and each.startswith(prefix))


def _changed_routes(old: Access, new: Access, application: Application) -> Iterator[Sample]:
    """What the routes of gateways match that have changed; below a prefix, too."""
    before = _bodies(old, Kind.HTTP_ROUTE)
    for name, body in _bodies(new, Kind.HTTP_ROUTE).items():
        if before.get(name) in (None, body):
            continue
        for rule in body.get("Rules") or ():
            paths = [match.get("Path") or {} for match in rule.get("Matches") or ()]
            texts = [str(path["Value"]) for path in paths if path.get("Value") and path.get("Match") != "regex"]
            below = [f"{path['Value']}0" for path in paths if path.get("Value") and path.get("Match") == "prefix"]
            for service in rule.get("Services") or ():
                if service["Name"] in application.services:
                    yield from (Sample(service["Name"], "GET", text) for text in (*texts, *below))
