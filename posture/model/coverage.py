"""What a change of rules may open, by what is written: an allowance that none of before covers.

Requests that are tried show what opens by example. This finds what no example shows: a regular expression, a condition
on a header that is dropped, another method. It judges by the fields of two entries and asks nobody, so it may name what
another rule closes; what it doesn't name opens nothing.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from posture.model.intentions import ANYONE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Uncovered", "allows", "uncovered", "who"]

_RULES = frozenset({"Name", "Action", "Permissions", "Description", "Precedence", "LegacyID", "LegacyMeta", "Type"})
_PATHS = ("PathExact", "PathPrefix", "PathRegex")


class Uncovered(NamedTuple):
    """A source that may be let in otherwise than before; ``http`` is by which requests, None by any or all."""

    source: str
    http: Mapping[str, Any] | None


def uncovered(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Uncovered]:
    """What the second of two bodies of `service-intentions` allows and the first doesn't; empty if there was none."""
    then, now = _sources(before), _sources(after)
    freed = bool(before.get("JWT")) and before["JWT"] != after.get("JWT")
    for name, source in now.items():
        old = then.get(name, then.get(ANYONE, {}))
        if freed and allows(source):
            yield Uncovered(source["Name"], None)
        elif source != old:
            yield from _newly(old, source)
    for name, source in then.items():
        if name not in now:  # what is said of anyone holds for it now
            yield from (each._replace(source=source["Name"]) for each in _newly(source, now.get(ANYONE, {"Name": ""})))


def _sources(body: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {who(source): source for source in body.get("Sources") or ()}


def who(source: Mapping[str, Any]) -> str:
    """What tells a source from others: its name, and what else there is of it, such as a peer."""
    name = str(source["Name"])
    if source.keys() <= _RULES:
        return name
    others = {key: value for key, value in source.items() if key not in _RULES and value}
    return f"{name} {json.dumps(others, sort_keys=True)}" if others else name


def allows(source: Mapping[str, Any]) -> bool:
    """Whether a source of `service-intentions` is let in by any request."""
    return source.get("Action") == "allow" or any(each.get("Action") == "allow" for each in _permissions(source))


def _denies(source: Mapping[str, Any]) -> bool:
    return source.get("Action") == "deny" or any(each.get("Action") == "deny" for each in _permissions(source))


def _permissions(source: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    return tuple(source.get("Permissions") or ())


def _newly(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Uncovered]:
    if old.get("Action") == "allow":
        return
    if _permissions(old) and _denies(old):  # which of them decides depends on their order
        yield Uncovered(new["Name"], None)
        return
    if new.get("Action") == "allow":
        yield Uncovered(new["Name"], None)
    for permission in _permissions(new):
        if permission.get("Action") == "allow" and not any(_covers(each, permission) for each in _permissions(old)):
            yield Uncovered(new["Name"], permission.get("HTTP") or {})


def _covers(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether all that one permission matches is matched by another, as far as their fields tell."""
    then, now = old.get("HTTP") or {}, new.get("HTTP") or {}
    methods, headers = then.get("Methods") or (), then.get("Header") or ()
    return (
        _covers_path(then, now)
        and (not methods or {*(now.get("Methods") or ("any",))} <= {*methods})
        and all(header in (now.get("Header") or ()) for header in headers)
        and (not old.get("JWT") or old["JWT"] == new.get("JWT"))
    )


def _covers_path(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    kind = next((each for each in _PATHS if old.get(each)), None)
    if kind is None or new.get(kind) == old[kind]:
        return True
    path = new.get("PathExact") or new.get("PathPrefix")
    return bool(kind == "PathPrefix" and path and path.startswith(old[kind]))
