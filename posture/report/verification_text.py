"""A verification for a terminal: each call's answer by the model and by the mesh, then what else was tried."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rich.console import Group
from rich.table import Table
from rich.text import Text

from posture.verify.findings import Outcome, Section

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import RenderableType

    from posture.verify.findings import Finding, ObservedCell, Verification

__all__ = ["verification_text"]

MOST_COLUMNS = 12
_UNASKED = "?"
_STATUS = re.compile(r"\d{3}\b")
_STYLES = {Outcome.HOLDS: "", Outcome.FAILS: "bold red", Outcome.NOT_MEASURED: "yellow"}
_SIGNS = {Outcome.HOLDS: "✓", Outcome.FAILS: "✗", Outcome.NOT_MEASURED: "?"}


def verification_text(verification: Verification) -> RenderableType:
    """The matrix, unless it is too wide; what disagrees; the findings by section; what could not be measured; a sum."""
    cells, findings = verification.cells, verification.findings
    wrong = [cell for cell in cells if cell.outcome is Outcome.FAILS]
    failing = [each for each in findings if each.outcome is Outcome.FAILS]
    unmeasured = [each for each in findings if each.outcome is Outcome.NOT_MEASURED]
    sources = list(dict.fromkeys(cell.cell.source for cell in cells))
    parts: list[RenderableType] = []
    if len(sources) <= MOST_COLUMNS:
        legend = "✓ allowed, · denied: by the model, then what the mesh answered"
        parts += [_grid(cells, sources), Text(), Text(legend, "dim"), Text()]
    parts.append(_sections(findings))
    if wrong:
        parts += [Text(), Text(f"disagrees ({len(wrong)})", "bold red"), _disagreements(wrong)]
    for title, style, found in (
        ("does not hold", "bold red", failing),
        ("not measured", "bold yellow", unmeasured),
    ):
        if found:
            parts += [Text(), Text(f"{title} ({len(found)})", style), _listed(found)]
    return Group(*parts, Text(), _sum(verification))


def _grid(cells: Iterable[ObservedCell], sources: Sequence[str]) -> Table:
    """Callers across, requests down."""
    table = _table("destination", "request", *sources)
    rows: dict[tuple[str, str, str], dict[str, ObservedCell]] = {}
    for each in cells:
        rows.setdefault(each.cell[1:4], {})[each.cell.source] = each
    previous = ""
    for (destination, method, path), row in rows.items():
        name = "" if destination == previous else destination
        previous = destination
        squares = [_square(row[source]) if source in row else Text() for source in sources]
        table.add_row(name, Text(f"{method:<6} {path}"), *squares)
    return table


def _square(each: ObservedCell) -> Text:
    """The two answers; of words beside a status, or instead of one, there is more in the list below."""
    found = _STATUS.match(str(each.observed))
    words = found.group() if found else str(each.observed) if each.agrees else "none"
    shown = _UNASKED if each.outcome is Outcome.NOT_MEASURED else words
    style = _STYLES[each.outcome] or ("green" if each.cell.allowed else "dim")
    return Text(f"{'✓' if each.cell.allowed else '·'} {shown}", style)


def _disagreements(wrong: Iterable[ObservedCell]) -> Table:
    table = _table()
    for each in wrong:
        cell = each.cell
        model = f"{'allowed' if cell.allowed else 'denied'} by {cell.rule}"
        call = Text(f"{cell.source} → {cell.destination} {cell.method} {cell.path}")
        table.add_row(Text("✗", "bold red"), call, Text(model), Text(f"the mesh: {each.observed}"))
    return table


def _sections(findings: Iterable[Finding]) -> Table:
    """How many of each section hold."""
    table = _table()
    for section in Section:
        mine = [finding.outcome for finding in findings if finding.section is section]
        if mine and section is not Section.CALLS:
            counts = [(outcome, mine.count(outcome)) for outcome in Outcome if outcome in mine]
            worst = next(each for each in (Outcome.FAILS, Outcome.NOT_MEASURED, Outcome.HOLDS) if each in mine)
            words = Text(", ").join(
                Text(f"{count} {_words(outcome, count)}", _STYLES[outcome]) for outcome, count in counts
            )
            table.add_row(Text(_SIGNS[worst], _STYLES[worst] or "green"), section.value, words)
    return table


def _listed(findings: Iterable[Finding]) -> Table:
    """What a line has in common with the one before is not said again."""
    table = _table()
    section = expected = ""
    for each in findings:
        sign = Text(_SIGNS[each.outcome], _STYLES[each.outcome])
        again = each.section.value == section, (each.section.value, each.expected) == (section, expected)
        section, expected = each.section.value, each.expected
        shown = "" if again[0] else section, Text("" if again[1] else expected, "dim")
        table.add_row(sign, shown[0], Text(each.name), shown[1], Text(each.observed))
    return table


def _sum(verification: Verification) -> Text:
    cells = [cell.outcome for cell in verification.cells]
    asked = len(cells) - cells.count(Outcome.NOT_MEASURED)
    agreeing = f"{cells.count(Outcome.HOLDS)} of {asked} calls agree"
    unasked = f", {len(cells) - asked} could not be asked" if asked < len(cells) else ""
    failing = sum(finding.outcome is Outcome.FAILS for finding in verification.findings)
    others = f"; {failing} of {len(verification.findings)} findings fail" if failing else ""
    verdict = ("holds", "bold green") if verification.holds else ("does not hold", "bold red")
    where = f"{verification.posture} on {verification.stack} "
    return Text.assemble(where, verdict, f": {agreeing}{unasked}{others} ({verification.seconds:.1f} s)")


def _words(outcome: Outcome, count: int) -> str:
    plural = {Outcome.HOLDS: "hold", Outcome.FAILS: "fail", Outcome.NOT_MEASURED: "not measured"}
    return plural[outcome] if count != 1 else outcome.value


def _table(*headers: str) -> Table:
    table = Table(*headers, box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.show_header = bool(headers)
    return table
