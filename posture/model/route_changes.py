"""What a change of routes does to the requests that they limit, of which each meets the first route that matches.

So a route that is put before others takes requests away from them: those may now come at its rate, and the rest still
at the others'.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from posture.model.rates import is_per_caller, limited_words, rates_of_route, route_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from posture.model.limits import Rate, RouteRates

    Limited = tuple[str, Rate]
    """What a rate is of, as "of /login", and the rate."""

__all__ = ["route_changes"]

_ELSE = "\uffff"
"""No path of a limit has it: all are ASCII."""


def route_changes(old: Sequence[RouteRates], new: Sequence[RouteRates]) -> Iterator[tuple[str, bool]]:
    """In words, as "3/s of /login, burst 3, was unlimited", and whether more gets through than before."""
    requests = _samples((*old, *new))
    for per_caller in (False, True):
        pairs = {tuple(_met(routes, *each, per_caller=per_caller) for routes in (old, new)) for each in requests}
        for then in (*_limited(old, per_caller=per_caller), None):
            met = {now for before, now in pairs if before == then}
            now = [each for each in _limited(new, per_caller=per_caller) if each in met]
            if then:
                yield from _changed(then, now, partly=None in met)
            else:
                known = {before for before, _ in pairs}
                yield from ((f"{limited_words(each)}, was unlimited", False) for each in now if each not in known)


def _changed(then: Limited, now: list[Limited], *, partly: bool) -> Iterator[tuple[str, bool]]:
    """What the requests that shared a rate have instead, each by itself; ``partly`` if some of them have none."""
    if not partly and now in ([], [then]):
        return
    words = ", and ".join(map(limited_words, now))
    if partly:
        words = f"{words}, else unlimited" if now else f"unlimited {then[0]}"
    more = partly or _higher([rate for _, rate in now], then[1])
    yield f"{words}, was {limited_words(then)}", more


def _higher(rates: list[Rate], rate: Rate) -> bool:
    return (
        sum(each.requests_per_second for each in rates) > rate.requests_per_second
        or sum(each.capacity for each in rates) > rate.capacity
    )


def _limited(routes: Iterable[RouteRates], *, per_caller: bool) -> list[Limited]:
    return [each for route in routes for each in rates_of_route(route) if is_per_caller(each[0]) == per_caller]


def _met(routes: Iterable[RouteRates], method: str, path: str, *, per_caller: bool) -> Limited | None:
    route = route_for(routes, method, path)
    return next(iter(_limited([route], per_caller=per_caller)), None) if route else None


def _samples(routes: Iterable[RouteRates]) -> list[tuple[str, str]]:
    """Requests of which one matches the same routes as any request does.

    A path that is no route's own matches the same prefixes as the longest of them with something else behind it.
    """
    methods = dict.fromkeys((_ELSE, *(method for route in routes for method in route.methods or ())))
    texts = dict.fromkeys(route.path_exact or route.path_prefix or "" for route in routes)
    paths = dict.fromkeys((_ELSE, *texts, *(text + _ELSE for text in texts)))
    return [(method, path) for method in methods for path in paths]
