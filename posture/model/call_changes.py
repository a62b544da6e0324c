"""Which calls the intentions of a service open and close, and whose have to be written first where several do both.

Who may call a service sees what that asks of others. So what closes a call is written before what opens one that leads
to it, or to which it leads. See docs/adr/0012.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from posture.model.coverage import allows, uncovered
from posture.model.entry import Kind
from posture.model.intentions import ANYONE

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from posture.model.entry import Body, Entry

__all__ = ["CallChange", "call_change", "turns"]

_LARGEST_CIRCLE = 8
"""Each turn takes a second or two, in which the mesh is between two postures."""


class CallChange(NamedTuple):
    """The sources of the calls to a service that are opened, and of those that are closed."""

    opens: frozenset[str]
    closes: frozenset[str]


def call_change(before: Body, after: Body) -> CallChange:
    """What becomes of the calls to a service, by what is written in its `service-intentions`; no body allows nothing.

    Judged by fields, so that a permission with another path counts as one that goes and one that comes.
    """
    return CallChange(
        opens=frozenset(each.source for each in uncovered(before, after)),
        closes=frozenset(each.source for each in uncovered(after, before)),
    )


def turns(held: Iterable[Entry], wanted: Iterable[Entry], services: Collection[str]) -> dict[str, int]:
    """When each of some services' intentions is written: those of turn 0 before those of turn 1, and so on.

    One waits for another if calls that stay lead from one to the other: what changes on the way has an order of its own
    with both. Of a few that wait in a circle, the one that waits for the fewest goes first; many go at once.

    Args:
        held: What the mesh has.
        wanted: What it is to have.
        services: Those whose intentions open calls and close others; the mesh has intentions of each.
    """
    if len(services) <= 1:  # it has nobody to wait for; and so it is in most switches
        return dict.fromkeys(services, 0)
    then, now = (
        {entry.name: entry.body for entry in entries if entry.kind is Kind.SERVICE_INTENTIONS}
        for entries in (held, wanted)
    )
    changes = {name: call_change(then[name], now[name]) for name in services}
    kept: dict[str, set[str]] = {}
    for name in then.keys() & now.keys():
        for source in _allowed(then[name]) & _allowed(now[name]):
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
        ready = [name for name in waits if not waits[name]]
        if not ready:
            many = len(waits) > _LARGEST_CIRCLE
            ready = list(waits) if many else [min(waits, key=lambda name: len(waits[name]))]
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


def _allowed(body: Mapping[str, Any]) -> set[str]:
    return {source["Name"] for source in body.get("Sources") or () if allows(source)}
