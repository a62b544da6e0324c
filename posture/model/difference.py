"""What changes from one matrix to another: calls that open, calls that close, and all that changes beside them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from posture.model.coverage import who
from posture.model.entry import Kind
from posture.model.intentions import ANYONE
from posture.model.limit_words import limit_changes
from posture.model.limiter import limiter_of
from posture.model.loosening import loosened, loosened_samples
from posture.model.matrix import UNKNOWN, Cell, matrix, rule_samples, samples

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from posture.model.access import Access
    from posture.model.application import Application
    from posture.model.entry import Entry
    from posture.model.intentions import Decision
    from posture.model.limit_words import LimitChange
    from posture.model.limits import Limit
    from posture.model.matrix import Matrix

__all__ = ["Change", "Difference", "Edit", "Risk", "Unshown", "compare", "difference", "matrices"]


class Risk(StrEnum):
    """In what way a call that opens is new, the widest first."""

    DEFAULT_CHANGED = "default changed"
    NEW_CALLER = "new caller"
    NEW_METHOD = "new method"
    WIDER_PATH = "wider path"


class Unshown(NamedTuple):
    """A caller who may be let in to a service, or in another way, without that any request that is tried shows it."""

    source: str
    destination: str


class Change(NamedTuple):
    """A cell as it will be, and the rule that decided it before; ``risk`` is for calls that open."""

    cell: Cell
    before: str
    risk: Risk | None = None


class Edit(NamedTuple):
    """A field of an entry that changes; None is a field that isn't there."""

    entry: str
    field: str
    before: Any
    after: Any


@dataclass(frozen=True)
class Difference:
    """What opens (widest first), what closes, which answers stay but come from another rule, and every changed field.

    Of callers that no rule names, answers that stay are those of one, the unknown.

    Fields are compared in full, requests by samples. What may open though no sample shows it, such as a condition on a
    header, is among ``unshown``, and how it is written among ``edits``.
    """

    old: str
    new: str
    opened: tuple[Change, ...]
    unshown: tuple[Unshown, ...]
    closed: tuple[Change, ...]
    changed: tuple[Change, ...]
    limits: tuple[LimitChange, ...]
    edits: tuple[Edit, ...]

    def __bool__(self) -> bool:
        """Whether there is any difference."""
        return bool(self.opened or self.unshown or self.closed or self.changed or self.edits)


def compare(application: Application, old: tuple[str, Access], new: tuple[str, Access]) -> Difference:
    """The difference of two postures, each by name; see `matrices`."""
    return difference(*matrices(application, old, new))


def matrices(application: Application, old: tuple[str, Access], new: tuple[str, Access]) -> tuple[Matrix, Matrix]:
    """Two postures, each by name, over the same samples: the application's and those of the rules of both."""
    wanted = samples(application)
    for _, access in (old, new):
        wanted += rule_samples(access, application)
    wanted = sorted(dict.fromkeys([*wanted, *loosened_samples(old[1], new[1], application)]))
    return matrix(old[1], application, old[0], wanted), matrix(new[1], application, new[0], wanted)


def difference(old: Matrix, new: Matrix) -> Difference:
    """The difference of two matrices, which should be over the same samples: others are left out."""
    pairs = list(_changed_cells(old, new))
    reach = _Reach(old)
    risky = [
        Change(cell, before.rule, reach.risk(cell, default_changed=old.access.default != new.access.default))
        for before, cell in pairs
        if cell.allowed and not before.allowed
    ]
    order = list(Risk)
    return Difference(
        old.posture,
        new.posture,
        tuple(sorted(risky, key=lambda change: order.index(change.risk or Risk.WIDER_PATH))),
        tuple(_unshown(old.access, new.access, risky)),
        tuple(Change(cell, before.rule) for before, cell in pairs if before.allowed and not cell.allowed),
        tuple(Change(cell, before.rule) for before, cell in pairs if before.allowed == cell.allowed),
        tuple(limit_changes(_still_there(old, new), new.access.limits)),
        tuple(_edits(old.access, new.access)),
    )


def _changed_cells(old: Matrix, new: Matrix) -> Iterator[tuple[Decision, Cell]]:
    """The cells that differ as they will be, with what decided before; callers without rules are compared once.

    Where these get the same answer by another rule, the unknown caller stands for all of them.
    """
    order = {source: number for number, source in enumerate(new.sources)}
    for sample, after in new.rows.items():
        before = old.rows.get(sample)
        if before is None:
            continue
        by_name = before.named.keys() | after.named.keys() | {UNKNOWN}
        others_differ = before.others.allowed != after.others.allowed
        for source in new.sources if others_differ else sorted(order.keys() & by_name, key=order.__getitem__):
            if source == sample.destination:
                continue
            then, now = before.of(source), after.of(source)
            if then.allowed != now.allowed or then.rule != now.rule:
                yield then, Cell(source, *sample, now.allowed, now.rule)


def _still_there(old: Matrix, new: Matrix) -> Mapping[str, Limit]:
    """The limits of before, without those of services that go as a whole: nothing gets through to these."""
    configured = {entry.name for entry in new.access.entries if entry.kind == Kind.SERVICE_DEFAULTS}
    return {name: limit for name, limit in old.access.limits.items() if name in configured or name in new.sources}


def _unshown(old: Access, new: Access, opened: Iterable[Change]) -> Iterator[Unshown]:
    calls = {(change.cell.source, change.cell.destination) for change in opened}
    shown = calls | {(source, ANYONE) for source, _ in calls} | {(ANYONE, to) for _, to in calls}
    for destination, each in loosened(old, new):
        if (each.source, destination) not in shown:
            shown.add((each.source, destination))
            yield Unshown(each.source, destination)


class _Reach:
    """What each caller could reach before, for the word on the risk."""

    def __init__(self, old: Matrix) -> None:
        self._methods: dict[tuple[str, str], set[str]] = {}
        for sample, row in old.rows.items():
            for source, decision in row.named.items():
                if decision.allowed:
                    self._methods.setdefault((source, sample.destination), set()).add(sample.method)
            if row.others.allowed:
                self._methods.setdefault(("", sample.destination), set()).add(sample.method)
        self._named = {sample.destination: row.named.keys() for sample, row in old.rows.items()}

    def risk(self, cell: Cell, *, default_changed: bool) -> Risk:
        if default_changed and cell.rule.startswith("default policy"):
            return Risk.DEFAULT_CHANGED
        named = cell.source in self._named.get(cell.destination, ())
        methods = self._methods.get((cell.source if named else "", cell.destination), set())
        if not methods:
            return Risk.NEW_CALLER
        return Risk.WIDER_PATH if cell.method in methods else Risk.NEW_METHOD


def _edits(old: Access, new: Access) -> Iterator[Edit]:
    if old.default != new.default:
        yield Edit("default policy", "", old.default, new.default)
    before, after = (_by_name(access.entries) for access in (old, new))
    for name in dict.fromkeys([*before, *after]):
        for field, then, now in _fields(before.get(name), after.get(name)):
            yield Edit(name, field, then, now)


def _by_name(entries: tuple[Entry, ...]) -> dict[str, Mapping[str, Any]]:
    return {entry.label: _keyed(entry.body) for entry in entries}


def _keyed(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """An entry's sources by who they are, for their order says nothing; its extensions by name."""
    named = {"Sources": {who(source): source for source in body["Sources"]}} if body.get("Sources") else {}
    extensions = body.get("EnvoyExtensions")
    if extensions:
        named["EnvoyExtensions"] = _extensions(extensions)
    return {**body, **named}


def _extensions(extensions: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Extensions by name, of a rate limiter's program only its parameters.

    A name may repeat, and is numbered then; wherever it stands, a rate limiter has it first, so that it compares with
    what it was.
    """
    found: dict[str, Mapping[str, Any]] = {}
    limiters = [(each, limiter_of((each.get("Arguments") or {}).get("Script", ""))) for each in extensions]
    for each, limiter in sorted(limiters, key=lambda pair: pair[1] is None):
        names = (each["Name"], *(f"{each['Name']} #{number}" for number in range(2, len(limiters) + 1)))
        arguments = {"Arguments": {**each["Arguments"], "Script": limiter._asdict()}} if limiter else {}
        found[next(name for name in names if name not in found)] = {**each, **arguments}
    return found


def _fields(old: Any, new: Any, place: str = "") -> Iterator[tuple[str, Any, Any]]:  # noqa: ANN401 - any JSON
    if isinstance(old, dict) and isinstance(new, dict):
        for key in dict.fromkeys([*old, *new]):
            yield from _fields(old.get(key), new.get(key), f"{place}.{key}" if place else key)
    elif old != new:
        yield place, old, new
