"""A limit limits."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from policies.examples import ENTRANCE
from policies.rule import Level, Place, Problem, Rule, about
from posture.model.entry import Entry, Kind
from posture.model.limiter import limiter_of

_UPSTREAM = ("MaxConnections", "MaxPendingRequests", "MaxConcurrentRequests")
_RATE = ("RequestsPerSecond", "RequestsMaxBurst")


class _Figures(NamedTuple):
    """Where figures stand, and the names of those that limit; a limiter's own program counts in fractions as well."""

    place: Place
    values: Mapping[str, Any]
    names: tuple[str, ...]
    fractions: bool = False


def judge(entry: Entry) -> Iterator[Problem]:
    if entry.kind != Kind.SERVICE_DEFAULTS:
        return
    body = entry.body
    for figures in (_Figures((), body, ("MaxInboundConnections",)), *_upstreams(body), *_rates(body), *_limiters(body)):
        for name in figures.names:
            value = figures.values.get(name)
            if value is not None and not _is_positive(value, fractions=figures.fractions):
                place = figures.place if figures.fractions else (*figures.place, name)
                yield Problem(f"{name} is {value}, which limits nothing", place)


def _upstreams(body: Mapping[str, Any]) -> Iterator[_Figures]:
    config = body.get("UpstreamConfig") or {}
    places: list[tuple[Place, Mapping[str, Any]]] = [(("Defaults",), config.get("Defaults") or {})]
    places += [(("Overrides", i), each) for i, each in enumerate(config.get("Overrides") or ())]
    for place, each in places:
        yield _Figures(("UpstreamConfig", *place, "Limits"), each.get("Limits") or {}, _UPSTREAM)


def _rates(body: Mapping[str, Any]) -> Iterator[_Figures]:
    place = ("RateLimits", "InstanceLevel")
    level = (body.get("RateLimits") or {}).get("InstanceLevel") or {}
    yield _Figures(place, level, _RATE)
    for i, route in enumerate(level.get("Routes") or ()):
        yield _Figures((*place, "Routes", i), route, _RATE)


def _limiters(body: Mapping[str, Any]) -> Iterator[_Figures]:
    for i, extension in enumerate(body.get("EnvoyExtensions") or ()):
        limiter = limiter_of((extension.get("Arguments") or {}).get("Script") or "")
        for limit in limiter.limits if limiter else ():
            yield _Figures(("EnvoyExtensions", i, "Arguments", "Script"), limit, ("rate", "burst"), fractions=True)


def _is_positive(value: object, *, fractions: bool) -> bool:
    kinds = (int, float) if fractions else (int,)
    return isinstance(value, kinds) and not isinstance(value, bool) and value > 0


RULE = Rule(
    id="CP401",
    title="A limit is a positive number",
    level=Level.MANDATORY,
    why="Consul takes 0 for 'no limit', so that a typing error takes a limit away.",
    mend="Write the number of connections or requests, or leave the field out.",
    judge=about(Entry, judge),
)

ALLOWED = ENTRANCE

REFUSED = ENTRANCE.replace("1000", "0")
