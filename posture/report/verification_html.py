"""A verification as one HTML page that needs nothing beside itself: no script, no request, any screen, any printer.

The page is also well-formed XML, which is how its tests find a tag that was left open. A cell says what it means in
signs and words, never by colour alone; its colours differ in lightness, so that they differ for everybody.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from posture.report.load_svg import load_svg
from posture.report.mesh_svg import mesh_svg
from posture.verify.findings import Outcome, Section

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from posture.model.matrix import Matrix
    from posture.verify.findings import Finding, ObservedCell, Verification

__all__ = ["verification_html"]

T = TypeVar("T")

MOST_COLUMNS = 12
"""Callers in one table: as many as fit across a printed page. Further ones get tables of their own."""

LONGEST_LIST = 24
"""Findings in a section that are listed one by one."""

LONGEST, LONGEST_SMALL = 24, 60
"""Characters of an answer in a cell, and of what was observed of a finding in one; titles have all of them."""

_SECTIONS = {
    Section.CALLS: ("Calls", "What kept cells of the matrix from being asked."),
    Section.DRIFT: ("Drift", "What Consul holds beside what this posture compiles to."),
    Section.MTLS: ("Mutual TLS", "What a sidecar takes from callers without a certificate of this mesh, and the wire."),
    Section.BYPASS: ("Bypass attempts", "One request in other spellings: refused, or decided as the plain one."),
    Section.LIMITS: ("Limits", "Load without and with the limit, and the proxy's own counters."),
    Section.OUTSIDE: ("Outside the mesh", "What a process without an identity reaches."),
}
_TRIED = tuple(section for section in _SECTIONS if section is not Section.CALLS)
"""Sections that a full run has findings in; the matrix speaks for the calls."""

_ORDER = (Outcome.FAILS, Outcome.NOT_MEASURED, Outcome.HOLDS)
_WORDS = {"-1": "no answer"}
"""Fortio's code for it."""

_MARKS = {Outcome.FAILS: ("wrong", "✕"), Outcome.NOT_MEASURED: ("unmeasured", "?"), Outcome.HOLDS: ("denied", "✓")}
_TEMPLATE = Environment(
    loader=PackageLoader(__package__), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
).get_template("verification.html")


@dataclass(frozen=True, slots=True)
class _Square:
    """A cell as it is drawn: ``kind`` is its class, ``more`` its small lines, ``words`` its title."""

    kind: str
    head: str
    more: tuple[str, ...]
    words: str


class _Line(NamedTuple):
    name: str
    squares: list[_Square | None]


class _Table(NamedTuple):
    across: Sequence[str]
    groups: Mapping[str, list[_Line]]


class _Bar(NamedTuple):
    """How often an answer came: ``width`` in percent of the most of its section; ``refused`` is anything but 2xx."""

    code: str
    times: int
    width: float
    refused: bool


class _Part(NamedTuple):
    key: str
    title: str
    about: str
    findings: list[Finding]
    tables: list[_Table]
    counts: Mapping[Outcome, int]
    plots: Mapping[str, list[_Bar]]
    courses: Mapping[str, Markup]


def verification_html(verification: Verification, matrix: Matrix) -> str:
    """The page of a verification; the matrix is that of its posture, for the picture and the declared calls."""
    disagreeing = [cell for cell in verification.cells if cell.outcome is Outcome.FAILS]
    drifted = [finding for finding in _of(Section.DRIFT, verification.findings) if finding.outcome is Outcome.FAILS]
    failing = [finding for finding in verification.findings if finding.outcome is Outcome.FAILS]
    unmeasured = [finding for finding in verification.findings if finding.outcome is Outcome.NOT_MEASURED]
    return _TEMPLATE.render(
        verification=verification,
        started=datetime.fromisoformat(verification.started),
        default=matrix.access.default,
        asked=sum(cell.measured for cell in verification.cells),
        disagreeing=disagreeing,
        failing=failing,
        causes=drifted,
        others=[finding for finding in failing if finding not in drifted],
        short=_short,
        unmeasured=unmeasured,
        untried=[_SECTIONS[section][0] for section in _TRIED if not _of(section, verification.findings)],
        tables=_tables(verification.cells, matrix),
        picture=Markup(mesh_svg(matrix, marked=_marked(disagreeing))),  # noqa: S704 - made by us, and it escapes
        parts=_parts(verification.findings),
        titles={section: title for section, (title, _) in _SECTIONS.items()},
        Outcome=Outcome,
    )


def _tables(cells: Iterable[ObservedCell], matrix: Matrix) -> list[_Table]:
    """Requests down by destination, callers across, in the matrix's order."""
    rows: dict[tuple[str, str, str], dict[str, ObservedCell]] = {}
    for observed in cells:
        rows.setdefault(observed.cell[1:4], {})[observed.cell.source] = observed
    seen = dict.fromkeys(source for row in rows.values() for source in row)
    sources = [source for source in matrix.sources if source in seen]
    sources += [source for source in seen if source not in matrix.sources]
    groups = {
        destination: [(f"{method} {path}", row) for (to, method, path), row in rows.items() if to == destination]
        for destination in dict.fromkeys(sample[0] for sample in rows)
    }
    return _cut(sources, groups, lambda cell: _square(cell, matrix))


def _cut(
    across: Sequence[str], groups: Mapping[str, list[tuple[str, dict[str, T]]]], draw: Callable[[T], _Square]
) -> list[_Table]:
    """Tables of at most so many columns, one after the other."""
    parts = [across[start : start + MOST_COLUMNS] for start in range(0, len(across), MOST_COLUMNS)]
    return [
        _Table(
            part,
            {
                group: [_Line(name, [draw(row[each]) if each in row else None for each in part]) for name, row in rows]
                for group, rows in groups.items()
            },
        )
        for part in parts
    ]


def _square(observed: ObservedCell, matrix: Matrix) -> _Square:
    cell = observed.cell
    declared = (cell.source, cell[1:4]) in matrix.declared
    kind = "allowed" if cell.allowed else "missing" if declared else "denied"
    sign = "✓" if cell.allowed else "✕"
    answer = str(observed.observed)
    heard = f"the mesh answered {answer}" if observed.measured else f"not measured: {answer}"
    words = (
        f"{cell.source} → {cell.destination} {cell.method} {cell.path}: {'allowed' if cell.allowed else 'denied'} "
        f"by {cell.rule}; {heard}"
    )
    if observed.outcome is Outcome.NOT_MEASURED:
        return _Square(f"{kind} unmeasured", f"{sign} ?", (), words)
    shown = _short(answer, LONGEST)
    if observed.agrees:
        return _Square(kind, f"{sign} {shown}", (), words)
    return _Square(f"{kind} wrong", "≠", (f"model {sign}", f"mesh {shown}"), words)


def _short(text: str, longest: int = 120) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _marked(disagreeing: Iterable[ObservedCell]) -> dict[tuple[str, str], str]:
    """The calls to mark in the picture."""
    return {(each.cell.source, each.cell.destination): "disagrees" for each in disagreeing}


def _of(section: Section, findings: Iterable[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.section is section]


def _parts(findings: Sequence[Finding]) -> list[_Part]:
    """The sections that have findings, the bad ones first."""
    found = []
    for section, (title, about) in _SECTIONS.items():
        if mine := _of(section, findings):
            crossed = _crossed(mine)
            mine.sort(key=lambda finding: _ORDER.index(finding.outcome))
            counts = Counter(finding.outcome for finding in mine)
            shown = {each: counts[each] for each in _ORDER}
            courses = {each.name: Markup(load_svg(each.moments)) for each in mine if each.moments}  # noqa: S704 - ours
            found.append(_Part(section.value, title, about, mine, crossed, shown, _plots(mine), courses))
    return found


def _plots(findings: Iterable[Finding]) -> dict[str, list[_Bar]]:
    """A bar for each answer of each finding that counted some and not their course, all to one scale."""
    counted = {each.name: each.figures for each in findings if each.figures and not each.moments}
    most = max((times for figures in counted.values() for times in figures.values()), default=0) or 1
    return {
        name: [
            _Bar(_WORDS.get(code, code), times, 100 * times / most, not code.startswith("2"))
            for code, times in sorted(figures.items())
        ]
        for name, figures in counted.items()
    }


def _crossed(findings: Sequence[Finding]) -> list[_Table]:
    """Many findings that are named "who: what", as tables of whats by whos; else none, and a list is easier to read."""
    if len(findings) <= LONGEST_LIST or not all(": " in finding.name for finding in findings):
        return []
    across: dict[str, None] = {}
    groups: dict[str, dict[str, dict[str, Finding]]] = {}
    for finding in findings:
        who, _, what = finding.name.partition(": ")
        across[who] = None
        groups.setdefault(finding.expected, {}).setdefault(what, {})[who] = finding
    return _cut(list(across), {expected: list(rows.items()) for expected, rows in groups.items()}, _mark)


def _mark(finding: Finding) -> _Square:
    kind, sign = _MARKS[finding.outcome]
    words = f"{finding.name}: {finding.outcome}; expected {finding.expected}; observed {finding.observed}"
    return _Square(kind, "", (f"{sign} {_short(finding.observed, LONGEST_SMALL)}",), words)
