"""Writes the rate limiter of a service as a Lua program for Envoy, and reads back what such a program limits.

Its parameters are data at its top, one limit a line; `limiter.lua`, the rest of it, is the same everywhere.
"""

from __future__ import annotations

import json
import re
from importlib.resources import files
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["LIMITED_BY", "MOST_CALLERS", "OVER_THE_LIMIT", "Limiter", "limiter_of", "lua_of"]

LIMITED_BY = "x-rate-limited-by"
"""The header of a 429 that names the service and its limit."""

OVER_THE_LIMIT = "over the limit of"
"""How the body of a 429 begins; the name of the service, or of the gateway, and a colon follow."""

MOST_CALLERS = 4096
"""Callers in a generation; a limiter remembers two generations."""

_CODE = files(__package__).joinpath("limiter.lua").read_text(encoding="utf-8")
_HEAD = """-- The rate limits of {service}, made by consul-posture: its posture is where to change them.
local SERVICE = {service_text}
local WORKERS = {workers}
local MOST_CALLERS = {most}
local LIMITS = {{
{lines}
}}

"""
_SERVICE = re.compile(r'^local SERVICE = "([^"]*)"$', re.MULTILINE)
_WORKERS = re.compile(r"^local WORKERS = (\d+)$", re.MULTILINE)
_LINE = re.compile(r"^  \{ (.*) \},$", re.MULTILINE)
_FIELD = re.compile(r'(\w+) = ("(?:[^"\\]|\\.)*"|-?[\d.]+)')


class Limiter(NamedTuple):
    """What a program limits: each limit's fields as the program has them, in its order."""

    service: str
    workers: int
    limits: tuple[Mapping[str, Any], ...]


def lua_of(service: str, workers: int, limits: Iterable[Mapping[str, Any]]) -> str:
    """The program. Limits have ``of`` (all, caller), ``name``, ``rate``, ``burst``; a route's its number and match.

    Values are numbers and printable ASCII, whose JSON is Lua as well.
    """
    lines = (", ".join(f"{key} = {json.dumps(value)}" for key, value in limit.items()) for limit in limits)
    head = _HEAD.format(
        service=service,
        service_text=json.dumps(service),
        workers=workers,
        most=MOST_CALLERS,
        lines="\n".join(f"  {{ {line} }}," for line in lines),
    )
    return head + _CODE


def limiter_of(program: str) -> Limiter | None:
    """What a program limits; None if it isn't exactly one that `lua_of` writes."""
    service, workers = _SERVICE.search(program), _WORKERS.search(program)
    if not service or not workers:
        return None
    lines = _LINE.findall(program.partition("\n}\n")[0])
    try:
        limits = tuple({key: json.loads(value) for key, value in _FIELD.findall(line)} for line in lines)
    except ValueError:
        return None  # not of JSON's numbers and texts, so not ours
    found = Limiter(service[1], int(workers[1]), limits)
    return found if lua_of(*found) == program else None
