"""The rates of a limit by what they are of, and which of them apply to a request, as the limiter decides it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from posture.model.limits import Limit, Rate, RouteRates

__all__ = [
    "IN_ALL",
    "PER_CALLER",
    "is_per_caller",
    "limited_words",
    "rate_words",
    "rates_for",
    "rates_of",
    "rates_of_any_request",
    "rates_of_route",
    "route_for",
    "route_words",
]

IN_ALL, PER_CALLER = "in all", "per caller"


def rates_of(limit: Limit) -> list[tuple[str, Rate]]:
    """All of them, each after what it is of, as "per caller"."""
    return [*(each for route in limit.routes or () for each in rates_of_route(route)), *rates_of_any_request(limit)]


def rates_for(limit: Limit, method: str, path: str) -> list[tuple[str, Rate]]:
    """Those that apply to a request. Paths are as rules see them, without a query."""
    route = route_for(limit.routes or (), method, path)
    return [*(rates_of_route(route) if route else ()), *rates_of_any_request(limit)]


def route_for(routes: Iterable[RouteRates], method: str, path: str) -> RouteRates | None:
    """The first that matches, which alone counts."""
    return next((route for route in routes if _matches(route, method, path)), None)


def rates_of_route(route: RouteRates) -> list[tuple[str, Rate]]:
    """As in "of POST /login" and "of POST /login per caller"."""
    words = f"of {route_words(route)}"
    return _given((words, route.whole), (f"{words} {PER_CALLER}", route.per_caller))


def rates_of_any_request(limit: Limit) -> list[tuple[str, Rate]]:
    """Those that apply whatever is asked for."""
    return _given((IN_ALL, limit.whole), (PER_CALLER, limit.per_caller))


def is_per_caller(aspect: str) -> bool:
    """Whether what these words are of is each caller by itself."""
    return aspect.endswith(PER_CALLER)


def rate_words(rate: Rate) -> str:
    """As in "5/s"."""
    return f"{rate.requests_per_second:g}/s"


def limited_words(limited: tuple[str, Rate]) -> str:
    """As in "5/s per caller, burst 10"."""
    aspect, rate = limited
    return f"{rate_words(rate)} {aspect}, burst {rate.capacity}"


def route_words(route: RouteRates) -> str:
    """As in "POST /login"."""
    path = route.path_exact or (f"{route.path_prefix}..." if route.path_prefix else "any path")
    return " ".join([*([",".join(route.methods)] if route.methods else []), path])


def _matches(route: RouteRates, method: str, path: str) -> bool:
    if route.methods and method not in route.methods:
        return False
    if route.path_exact:
        return path == route.path_exact
    return path.startswith(route.path_prefix or "")


def _given(*rates: tuple[str, Rate | None]) -> list[tuple[str, Rate]]:
    return [(aspect, rate) for aspect, rate in rates if rate]
