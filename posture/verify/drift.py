"""What Consul holds beside what a posture compiles to, and what each difference opens or leaves unprotected.

Consul doesn't record who wrote an entry, so nothing here claims to know. What an entry opens can be known: the access
model is asked with and without it. A finding has the entry's name, `KIND/NAME`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from posture.errors import InputError
from posture.model.access import Access, Request
from posture.model.difference import difference
from posture.model.edit_words import said
from posture.model.entries import Entry, Kind
from posture.model.held import bare
from posture.model.matrix import Sample, matrix, rule_samples, samples
from posture.verify.findings import Finding, Outcome, Section

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from posture.model.application import Application
    from posture.model.difference import Difference, Edit
    from posture.model.held import Held

__all__ = ["drift_findings", "posture_of"]

_MOST_CALLS, _MOST_REQUESTS, _MOST_EDITS = 4, 3, 4
_UNKNOWN_AUTHOR = "who made it so can't be known"


def posture_of(held: Held, candidates: Iterable[tuple[str, Iterable[Entry]]]) -> str | None:
    """The first of the postures, each by name, that compiles to exactly what Consul holds."""
    found = _by_name(held.entries)
    names = (name for name, entries in candidates if not held.others and _by_name(map(bare, entries)) == found)
    return next(names, None)


def drift_findings(application: Application, posture: str, compiled: Iterable[Entry], held: Held) -> list[Finding]:
    """One finding for each entry that is not as the posture compiles it; a single one that holds if there is none."""
    ours, theirs = _by_name(map(bare, compiled)), _by_name(held.entries)
    effects = _Effects(application, ours.values())
    found = []
    for name in dict.fromkeys([*ours, *theirs]):
        own, other = ours.get(name), theirs.get(name)
        if own == other:
            continue
        expected = f"as {posture} has it" if own else f"not there, as {posture} has no such entry"
        what = "is missing" if other is None else "is another" if own else "is there"
        found.append(_drift(name, expected, [what, _UNKNOWN_AUTHOR, *effects.of(own, other)]))
    for name in held.others:
        words = f"is there; {_UNKNOWN_AUTHOR}, and what it does is not understood here"
        found.append(_drift(name, f"not there, as {posture} has no such entry", [words]))
    if not found:
        words = f"the {len(ours)} of {posture}"
        found.append(Finding(Section.DRIFT, "config entries", Outcome.HOLDS, words, f"the same {len(theirs)}"))
    return found


def _drift(name: str, expected: str, observed: Sequence[str]) -> Finding:
    return Finding(Section.DRIFT, name, Outcome.FAILS, expected, "; ".join(observed))


class _Effects:
    """What becomes of a posture's calls when one of its entries is another."""

    def __init__(self, application: Application, ours: Iterable[Entry]) -> None:
        self._application = application
        self._ours = tuple(ours)

    def of(self, own: Entry | None, other: Entry | None) -> Iterator[str]:
        """What is edited, which protection is lost, what opens and what closes, in words."""
        rest = [entry for entry in self._ours if entry != own]
        before, after = Access(self._ours), Access([*rest, *([other] if other else [])])
        wanted = list(dict.fromkeys([*samples(self._application), *self._samples(before), *self._samples(after)]))
        try:
            old, new = (matrix(access, self._application, "", wanted) for access in (before, after))
            strangers = list(self._strangers(before, after, wanted))
        except InputError as error:
            yield f"can't be judged: {error}"
            return
        found = difference(old, new)
        if own and other:
            yield _edits(found.edits)
        lost = _lost(found)
        if lost:
            yield f"loosens protection: {_some(lost, _MOST_EDITS)}"
        if other and any(source.get("Peer") or source.get("SamenessGroup") for source in other.body.get("Sources", ())):
            yield "what it opens to peers is not looked at"
        opened = [*((change.cell.source, Sample(*change.cell[1:4])) for change in found.opened), *strangers]
        closed = [(change.cell.source, Sample(*change.cell[1:4])) for change in found.closed]
        if opened:
            yield f"opens {_calls(opened)}"
        if closed:
            yield f"closes {_calls(closed)}"
        if not opened and not closed:
            yield f"changes none of the {len(wanted) * len(new.sources)} answers that were looked at"

    def _samples(self, access: Access) -> Iterator[Sample]:
        """The requests that intentions and routes speak of."""
        yield from rule_samples(access, self._application)
        for entry in access.entries:
            for rule in entry.body.get("Rules") or () if entry.kind is Kind.HTTP_ROUTE else ():
                for service in rule.get("Services") or ():
                    for match in rule.get("Matches") or [{}]:
                        if service["Name"] in self._application.services:
                            path = (match.get("Path") or {}).get("Value") or "/"
                            yield Sample(service["Name"], match.get("Method") or "GET", path)

    def _strangers(self, before: Access, after: Access, wanted: Iterable[Sample]) -> Iterator[tuple[str, Sample]]:
        """The calls that open to identities which the application doesn't know."""
        for sample in wanted:
            for name in sorted(after.named_sources(sample.destination) - self._application.sources):
                request = Request(name, *sample)
                if after.decide(request).allowed and not before.decide(request).allowed:
                    yield name, sample


def _calls(calls: Sequence[tuple[str, Sample]]) -> str:
    """The calls by caller and destination, not more than one can read."""
    requests: dict[tuple[str, str], list[str]] = {}
    for source, (destination, method, path) in calls:
        requests.setdefault((source, destination), []).append(f"{method} {path}")
    words = [f"{source} → {to} ({_some(each, _MOST_REQUESTS)})" for (source, to), each in requests.items()]
    return _some(words, _MOST_CALLS)


def _lost(found: Difference) -> list[str]:
    """Limits, floors of TLS and normalisation that are less or gone: no answer to a plain request shows these."""
    edits = [each.words for each in map(said, found.edits) if each and each.loosens]
    return [*(each.words for each in found.limits if each.loosens), *edits]


def _edits(edits: Sequence[Edit]) -> str:
    words = [f"{edit.field} is {_value(edit.after)}, was {_value(edit.before)}" for edit in edits]
    return _some(words or ["another order of its fields"], _MOST_EDITS)


def _some(words: Sequence[str], most: int) -> str:
    more = f" and {len(words) - most} more" if len(words) > most else ""
    return ", ".join(words[:most]) + more


def _value(value: object) -> str:
    return "unset" if value is None else json.dumps(value)


def _by_name(entries: Iterable[Entry]) -> dict[str, Entry]:
    return {entry.label: entry for entry in entries}
