"""The order in which entries are written, so that no moment of a switch allows what neither of its ends does.

Nor does one that stops halfway. An entry is written whole, and one that is there is changed in place. What is left to
choose is which comes first: what tightens, then what does both, then what loosens. Within that, what a rule relies on
comes before the rule: the mesh's TLS and path normalisation, the service's protocol and limits, the denial for all.
See docs/adr/0012.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from itertools import chain, groupby
from typing import TYPE_CHECKING, Any

from posture.model.access import Access
from posture.model.call_changes import call_change, turns
from posture.model.entries import Entry, Kind
from posture.model.held import bare
from posture.model.limit_reading import limit_of
from posture.model.limit_words import limit_changes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["Effect", "Key", "Write", "effect", "entrance_first", "key", "writes"]

Key = tuple[Kind, str]
"""What Consul knows an entry by: its kind and name."""

_ENTRANCE = frozenset({Kind.FILE_SYSTEM_CERTIFICATE, Kind.HTTP_ROUTE, Kind.API_GATEWAY})
_FLOORS = ("TLSv1_0", "TLSv1_1", "TLSv1_2", "TLSv1_3")
_DEFAULT_FLOOR = "TLSv1_2"


class Effect(IntEnum):
    """What becomes of the calls that an entry allows, in the order in which entries are written."""

    TIGHTENS = 1
    BOTH = 2
    LOOSENS = 3


@dataclass(frozen=True)
class Write:
    """An entry, and those that have to be written before it, all of which stand before it in `writes`.

    ``settles`` are those that should be in force before anything is written that waits for this entry: all that are
    changed in its step and before, if there is a step after it. What is new had nothing to close.
    """

    entry: Entry
    after: tuple[Key, ...]
    settles: tuple[Key, ...] = ()


def writes(held: Iterable[Entry], wanted: Iterable[Entry]) -> tuple[Write, ...]:
    """The wanted entries in the order of their writing.

    An entry waits for what it relies on, and a service that leaves HTTP for its rules. The last one that tightens waits
    for all others that do, and what does more than tighten waits for that last one; so on for the next step. What does
    both is a step, or several where one call leads to another (see `call_changes.turns`). So there are few
    dependencies, and all point back.

    Args:
        held: What the mesh has; others are created.
        wanted: What it is to have, each after those that it relies on.
    """
    wanted = tuple(wanted)
    then, now = ({key(entry): bare(entry) for entry in entries} for entries in (held, wanted))
    effects = {each: effect(then.get(each), entry) for each, entry in now.items()}
    both = [name for (kind, name), does in effects.items() if does is Effect.BOTH and kind is Kind.SERVICE_INTENTIONS]
    turn = {(Kind.SERVICE_INTENTIONS, name): each for name, each in turns(then.values(), now.values(), both).items()}
    # What stays as it is goes with what tightens: it relies on the same, and is there for all that come later.
    rank = {each: (does or Effect.TIGHTENS, turn.get(each, 0)) for each, does in effects.items()}
    late = dict(_after_their_rules(then, now))
    rank |= {each: max(rank[each], rank[rules]) for each, rules in late.items()}
    order = sorted(wanted, key=lambda entry: (rank[key(entry)], key(entry) in late))
    changing = [each for each in map(key, order) if effects[each]]
    steps = [list(step) for _, step in groupby(changing, key=lambda each: rank[each])]
    gates = _gates(steps)
    changed = [[each for each in step if each in then] for step in steps]
    settled = {
        step[-1]: tuple(chain(*changed[: number + 1])) for number, step in enumerate(steps[:-1]) if changed[number]
    }
    done: set[Key] = set()
    found = []
    for entry in order:
        bases = (*_bases(entry), *((late[key(entry)],) if key(entry) in late else ()))
        after = dict.fromkeys([*(each for each in bases if each in done), *gates.get(key(entry), ())])
        found.append(Write(entry, tuple(after), settled.get(key(entry), ())))
        done.add(key(entry))
    return tuple(found)


def entrance_first(held: Iterable[Entry], wanted: Iterable[Entry]) -> bool:
    """Whether the gateway's own entries are written before all others, and not after them as usual.

    They are where its listeners get a higher TLS floor and nothing else of it changes: that tightens, and what loosens
    should not be open to older clients.
    """
    then, now = ({key(each): bare(each) for each in entries if each.kind in _ENTRANCE} for entries in (held, wanted))
    changing = [each for each in now if then.get(each) != now[each]]
    return bool(changing) and all(each in then and _raises_floor(then[each], now[each]) for each in changing)


def key(entry: Entry) -> Key:
    """An entry's kind and name."""
    return entry.kind, entry.name


def effect(held: Entry | None, wanted: Entry) -> Effect | None:
    """What writing an entry does, None if nothing changes; both without empty values (see `held.bare`)."""
    if held == wanted:
        return None
    before = held.body if held else {}
    opens, closes = False, True
    if wanted.kind is Kind.SERVICE_INTENTIONS:
        opens, closes = map(bool, call_change(before, wanted.body))
        closes = closes if held else not opens  # nothing was allowed before, so what is new opens or denies
    elif held and wanted.kind is Kind.SERVICE_DEFAULTS:
        opens, closes = _limits(before, wanted.body)
    elif held and wanted.kind is Kind.MESH:
        opens = _floor(wanted.body) < _floor(before)
        closes = not opens
    if opens == closes:
        return Effect.BOTH
    return Effect.LOOSENS if opens else Effect.TIGHTENS


def _after_their_rules(then: Mapping[Key, Entry], now: Mapping[Key, Entry]) -> Iterable[tuple[Key, Key]]:
    """Services that leave HTTP, each with its rules, which have to be without HTTP before.

    Consul refuses a protocol that the rules it holds can't be for ("incompatible with L7 intentions permissions").
    """
    before, after = Access(then.values()), Access(now.values())
    for kind, name in now:
        rules = (Kind.SERVICE_INTENTIONS, name)
        leaves = kind is Kind.SERVICE_DEFAULTS and before.is_http(name) and not after.is_http(name)
        sources = then[rules].body.get("Sources") or () if leaves and rules in then and rules in now else ()
        if any(source.get("Permissions") for source in sources):
            yield (kind, name), rules


def _bases(entry: Entry) -> tuple[Key, ...]:
    """What an entry relies on."""
    mesh = (Kind.PROXY_DEFAULTS, "global"), (Kind.MESH, "mesh")
    if entry.kind is Kind.SERVICE_DEFAULTS:
        return mesh
    if entry.kind is Kind.SERVICE_INTENTIONS:
        return *mesh, (Kind.SERVICE_DEFAULTS, entry.name), (Kind.SERVICE_INTENTIONS, "*")
    return ()


def _gates(steps: list[list[Key]]) -> Mapping[Key, list[Key]]:
    """Whom each waits for because it does more than they do; the last of a step stands for all of it."""
    found: dict[Key, list[Key]] = {}
    gate: list[Key] = []
    for step in steps:
        found |= dict.fromkeys(step, gate)
        found[step[-1]] = [*gate, *step[:-1]]
        gate = step[-1:]
    return found


def _limits(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[bool, bool]:
    """Whether more gets through, and whether less does; what is no limit, such as the protocol, counts as less."""
    limits = [{"": limit} if limit else {} for limit in (limit_of(before), limit_of(after))]
    loosens = [change.loosens for change in limit_changes(*limits)]
    tightens = any(change.loosens for change in limit_changes(*reversed(limits)))  # a rate may, and its burst not
    return any(loosens), tightens or not loosens or not all(loosens)


def _raises_floor(before: Entry, after: Entry) -> bool:
    """Whether this is a gateway whose listeners are as before but for higher floors."""
    if after.kind is not Kind.API_GATEWAY:
        return False
    then, now = (entry.body.get("Listeners") or () for entry in (before, after))
    floors = [[_newness((each.get("TLS") or {}).get("MinVersion")) for each in listeners] for listeners in (then, now)]
    rest = [[{**each, "TLS": {**(each.get("TLS") or {}), "MinVersion": ""}} for each in every] for every in (then, now)]
    return rest[0] == rest[1] and all(old <= new for old, new in zip(*floors, strict=True))


def _floor(body: Mapping[str, Any]) -> int:
    """The lowest TLS version that is taken or offered."""
    tls = body.get("TLS") or {}
    return min(_newness((tls.get(way) or {}).get("TLSMinVersion")) for way in ("Incoming", "Outgoing"))


def _newness(version: str | None) -> int:
    """The higher, the newer."""
    return _FLOORS.index(version if version in _FLOORS else _DEFAULT_FLOOR)
