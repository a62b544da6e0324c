"""Config entries as Consul holds them, made comparable with what a posture compiles to."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from posture.model.entries import Entry, Kind
from posture.model.entry import SCALAR_POINTERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["Held", "Standing", "bare", "held_entries"]

_BOOKKEEPING = frozenset({"Kind", "Name", "Namespace", "Partition", "CreateIndex", "ModifyIndex", "Hash", "Status"})
"""What Consul adds to an entry, or what tells it from others, and is none of its content."""

_EMPTY: tuple[object, ...] = (None, "", 0, False, [], {})


@dataclass(frozen=True)
class Held:
    """Consul's entries: those of a posture's kinds, without empty values; and the names of all others."""

    entries: tuple[Entry, ...]
    others: tuple[str, ...]


class Standing(NamedTuple):
    """The entries that an engine has recorded in its state, and those that Consul holds.

    ``begun`` are those, as `KIND/NAME`, that an `up` which was cut short was about to make.
    """

    recorded: Held
    held: Held
    begun: frozenset[str] = frozenset()

    @property
    def changed(self) -> list[str]:
        """The recorded ones that are otherwise by now, or gone: by another's hand, or by an `up` that was cut short."""
        theirs = {entry.label: entry for entry in self.held.entries}
        return [own.label for own in self.recorded.entries if theirs.get(own.label) != own]

    @property
    def unrecorded(self) -> list[str]:
        """Those that such an `up` has made, and no engine has recorded."""
        recorded = {entry.label for entry in self.recorded.entries}
        return [each.label for each in self.held.entries if each.label in self.begun and each.label not in recorded]


def held_entries(raw: Iterable[Mapping[str, Any]]) -> Held:
    """Read config entries in the JSON of Consul's API."""
    known, others = [], []
    for each in raw:
        kind, name = each["Kind"], each.get("Name") or each["Kind"]  # a mesh entry has no name
        if kind in set(Kind):
            known.append(bare(Entry(Kind(kind), name, {k: v for k, v in each.items() if k not in _BOOKKEEPING})))
        else:
            others.append(f"{kind}/{name}")
    return Held(tuple(known), tuple(others))


def bare(entry: Entry) -> Entry:
    """An entry without empty values, which Consul writes out or leaves out as it likes, and its sources in order."""
    body = _without_empty(entry.body)
    if body.get("Sources"):
        body["Sources"] = sorted(body["Sources"], key=lambda source: json.dumps(source, sort_keys=True))
    return Entry(entry.kind, entry.name, body)


def _without_empty(value: Any) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, dict):
        return {
            key: kept
            for key, item in value.items()
            if (kept := _without_empty(item)) not in _EMPTY or (key in SCALAR_POINTERS and kept == 0)
        }
    return [_without_empty(item) for item in value] if isinstance(value, list) else value
