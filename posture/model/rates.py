"""The rates of a limit by what they are of, and which of them apply to a request, as the limiter decides it."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from posture.model.limits import Limit, Rate, RouteRate

__all__ = ["IN_ALL", "PER_CALLER", "rate_words", "rates_for", "rates_of"]

IN_ALL, PER_CALLER = "in all", "per caller"


def rates_of(limit: Limit) -> list[tuple[str, Rate]]:
    """All of them, each after what it is of, as "per caller"."""
    return [*((f"of {_route_words(route)}", route) for route in limit.routes or ()), *_of_any_request(limit)]


def rates_for(limit: Limit, method: str, path: str) -> list[tuple[str, Rate]]:
    """Those that apply to a request: of routes the first that matches. Paths are as rules see them, without a query."""
    matching = (route for route in limit.routes or () if _matches(route, method, path))
    return [*((f"of {_route_words(route)}", route) for route in islice(matching, 1)), *_of_any_request(limit)]


def rate_words(rate: Rate) -> str:
    """As in "5/s"."""
    return f"{rate.requests_per_second:g}/s"


def _of_any_request(limit: Limit) -> list[tuple[str, Rate]]:
    rates = ((IN_ALL, limit.whole), (PER_CALLER, limit.per_caller))
    return [(aspect, rate) for aspect, rate in rates if rate]


def _route_words(route: RouteRate) -> str:
    path = route.path_exact or (f"{route.path_prefix}..." if route.path_prefix else "any path")
    return " ".join([*([",".join(route.methods)] if route.methods else []), path])


def _matches(route: RouteRate, method: str, path: str) -> bool:
    if route.methods and method not in route.methods:
        return False
    if route.path_exact:
        return path == route.path_exact
    return path.startswith(route.path_prefix or "")
