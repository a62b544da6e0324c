"""Which calls the intentions of a service open and close, and whose have to be written first where several do both.

Who may call a service sees what that asks of others. So what closes a call is written before what opens one that leads
to it, or to which it leads. See docs/adr/0012.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from posture.model.entry import Kind
from posture.model.intentions import ANYONE

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from posture.model.entry import Body, Entry

__all__ = ["CallChange", "call_change", "turns"]

_ANY_REQUEST = ""


class CallChange(NamedTuple):
    """The sources of the calls to a service that are opened, and of those that are closed."""

    opens: frozenset[str]
    closes: frozenset[str]


class _Rule(NamedTuple):
    source: str
    who: str
    action: str
    request: str


def call_change(before: Body, after: Body) -> CallChange:
    """What becomes of the calls to a service, by what is written in its `service-intentions`; no body allows nothing.

    A permission with another path counts as one that goes and one that comes.
    """
    then, now = set(_rules(before)), set(_rules(after))
    comes, goes = _only_in(now, then), _only_in(then, now)
    return CallChange(
        opens=_sources(comes, "allow") | _sources(goes, "deny"),
        closes=_sources(comes, "deny") | _sources(goes, "allow"),
    )


def turns(held: Iterable[Entry], wanted: Iterable[Entry], services: Collection[str]) -> dict[str, int]:
    """When each of some services' intentions is written: those of turn 0 before those of turn 1, and so on.

    One waits for another if calls that stay lead from one to the other: what changes on the way has an order of its own
    with both. Of those that wait in a circle, the one that waits for the fewest is taken.

    Args:
        held: What the mesh has.
        wanted: What it is to have.
        services: Those whose intentions open calls and close others.
    """
    if len(services) <= 1:  # it has nobody to wait for; and so it is in most switches
        return dict.fromkeys(services, 0)
    then, now = (
        {entry.name: entry.body for entry in entries if entry.kind is Kind.SERVICE_INTENTIONS}
        for entries in (held, wanted)
    )
    changes = {name: call_change(then.get(name, {}), now[name]) for name in services}
    kept: dict[str, set[str]] = {}
    for name in then.keys() & now.keys():
        for source in _sources(_rules(then[name]), "allow") & _sources(_rules(now[name]), "allow"):
            kept.setdefault(source, set()).add(name)
    reached = {name: _reached(name, kept) for name in services}
    waits = {
        name: {
            first
            for first in services
            if first != name and (reached[first] & changes[name].opens or reached[name] & changes[first].closes)
        }
        for name in services
    }
    found: dict[str, int] = {}
    turn = 0
    while waits:
        ready = [name for name in waits if not waits[name]] or [min(waits, key=lambda name: len(waits[name]))]
        found |= dict.fromkeys(ready, turn)
        waits = {name: first.difference(ready) for name, first in waits.items() if name not in ready}
        turn += 1
    return found


def _reached(service: str, calls: Mapping[str, Collection[str]]) -> set[str]:
    """Whom a service's calls lead to, itself among them, and whoever may be meant by anyone."""
    found = {service, ANYONE}
    left = list(found)
    while left:
        new = set(calls.get(left.pop(), ())) - found
        found |= new
        left += new
    return found


def _only_in(these: set[_Rule], those: set[_Rule]) -> set[_Rule]:
    return {rule for rule in these - those if rule._replace(request=_ANY_REQUEST) not in those}


def _sources(rules: Iterable[_Rule], action: str) -> frozenset[str]:
    return frozenset(rule.source for rule in rules if rule.action == action)


def _rules(body: Mapping[str, Any]) -> Iterator[_Rule]:
    """Who is allowed or denied what; who and what as JSON."""
    for source in body.get("Sources") or ():
        who = json.dumps({k: v for k, v in source.items() if k not in {"Action", "Permissions"}}, sort_keys=True)
        if "Action" in source:
            yield _Rule(source.get("Name", ""), who, source["Action"], _ANY_REQUEST)
        for permission in source.get("Permissions") or ():
            what = {field: value for field, value in permission.items() if field != "Action"}
            yield _Rule(source.get("Name", ""), who, permission.get("Action", ""), json.dumps(what, sort_keys=True))
