"""The comment on a pull request: one for all stacks, what matters first, and never longer than a code host takes.

It begins with `MARKER`, by which it is found again and written over. Where it would be too long, what says least goes
first: the engine's own words, then the picture, then rows at the ends of tables; a block is never cut in two.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from posture.errors import one_line
from posture.report.markdown import code, plain, row
from posture.report.mesh_mermaid import mesh_mermaid
from posture.report.review import DEPLOYED, Failure, Review

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from policies.judging import Finding as Judgement
    from posture.model.difference import Change, Edit, Unshown
    from posture.verify.findings import Finding

__all__ = ["LIMIT", "MARKER", "review_markdown"]

MARKER = "<!-- consul-posture preview -->"
LIMIT = 65_536
"""Bytes; GitHub's limit for the body of a comment, GitLab's is higher."""

_Item = TypeVar("_Item")
_COUNTS = {
    "create": "to create",
    "update": "to update",
    "delete": "to delete",
    "replace": "to replace",
    "same": "unchanged",
}
_SUPPRESSED = ("suppressed", "finds", "because", "until")


class _Detail(NamedTuple):
    """How much is said: rows of tables in sight and of folded ones, lines of the engine's words, a picture or none."""

    rows: int
    folded: int
    lines: int
    picture: bool


_DETAILS = (
    _Detail(1000, 1000, 2000, picture=True),
    _Detail(1000, 1000, 400, picture=True),
    _Detail(1000, 1000, 0, picture=True),
    *(_Detail(1000, rows, 0, picture=False) for rows in (1000, 200, 50, 0)),
    *(_Detail(rows, 0, 0, picture=False) for rows in (200, 50, 10, 0)),
)


def review_markdown(reviews: Sequence[Review | Failure]) -> str:
    """The comment; with no change anywhere, and nothing suppressed, it is one line below its marker."""
    changes = any(isinstance(each, Failure) or each.changes for each in reviews)
    head = [MARKER, f"## {_verdict(reviews)}", ""] if changes else [MARKER]
    for detail in _DETAILS:
        text = "\n".join([*head, *_stacks(reviews, detail)]) + "\n"
        if len(text.encode()) <= LIMIT:
            return text
    hidden = sum(len(each.suppressed) for each in reviews if isinstance(each, Review))
    more = f" {hidden} under “{_SUPPRESSED[0]}” are left out, too." if hidden else ""
    return f"{MARKER}\n## {_verdict(reviews)}\n\nToo much changes to be listed here.{more}\n"


def _verdict(reviews: Sequence[Review | Failure]) -> str:
    done = [each for each in reviews if isinstance(each, Review)]
    opened = sum(len(each.difference.opened) for each in done)
    unshown = sum(len(each.difference.unshown) for each in done)
    loosened = sum(said.loosens for each in done for said in each.said)
    refused = sum(each.refused for each in done)
    drifted = sum(len(each.drift) for each in done)
    failed = [plain(each.stack) for each in reviews if isinstance(each, Failure)]
    parts = [
        *([f"⚠️ opens {_calls(opened)}"] if opened else []),
        *([f"⚠️ may open {_calls(unshown)}"] if unshown else []),
        *([] if opened or unshown else ["opens nothing"]),
        *([f"⚠️ loosens {loosened} {'protection' if loosened == 1 else 'protections'}"] if loosened else []),
        *([f"⚠️ {drifted} {'entry is' if drifted == 1 else 'entries are'} not as recorded"] if drifted else []),
        *([f"❌ {refused} refused by policy"] if refused else []),
        *([f"❌ no preview of {', '.join(failed)}"] if failed else []),
    ]
    return "Posture: " + ", ".join(parts)


def _stacks(reviews: Sequence[Review | Failure], detail: _Detail) -> Iterator[str]:
    quiet = [each for each in reviews if isinstance(each, Review) and not each.changes]
    for each in reviews:
        if isinstance(each, Failure):
            yield from (f"### {plain(each.stack)}: no preview", "", plain(one_line(each.words)), "")
        elif each.changes:
            yield from _review(each, detail)
    where = f"{', '.join(plain(each.stack) for each in quiet)}{_in_what(quiet)}"
    if len(quiet) == len(reviews):
        yield f"✓ Nothing changes on {where}."
    elif quiet:
        yield f"Nothing changes on {where}."
    if any(each.suppressed for each in quiet):
        yield ""
        yield from _still_suppressed(quiet, detail)


def _review(review: Review, detail: _Detail) -> Iterator[str]:
    difference = review.difference
    opened, closed = len(difference.opened), len(difference.closed)
    moved = (
        code(difference.new) if difference.old == difference.new else f"{code(difference.old)} → {code(difference.new)}"
    )
    unshown = len(difference.unshown)
    verdict = [
        *([f"⚠️ **{_calls(opened)} open**"] if opened else []),
        *([f"⚠️ **{_calls(unshown)} may open**"] if unshown else []),
    ]
    yield from (
        f"### {plain(review.stack)}: {', '.join(verdict) or 'nothing opens'}, {closed} close",
        "",
        f"{moved}, against {plain(review.against)}",
        "",
    )
    drift = ("not as recorded", "what it is now, as against the last `up` that ended")
    yield from _table(drift, review.drift, _drifted, detail.rows)
    yield from _table(("opens", "request", "risk", "rule"), difference.opened, _opens, detail.rows)
    possible = ("may open, though no request that was tried shows it: see the fields",)
    yield from _table(possible, difference.unshown, _may_open, detail.rows)
    yield from _said(review, detail)
    yield from _policies(review, detail)
    yield from _folded("closes", ("closes", "request", "rule before"), difference.closed, _closes, detail)
    others = ("call", "request", "before", "after")
    yield from _folded("same answer, other rule", others, difference.changed, _changes, detail)
    yield from _folded("edited fields", ("entry", "field", "before", "after"), review.unsaid, _edited, detail)
    picture = mesh_mermaid(review.matrix, difference) if detail.picture else None
    if picture:
        yield from ("<details><summary>picture</summary>", "", "```mermaid", picture, "```", "", "</details>", "")
    counts = [f"{count} {_COUNTS.get(what, what)}" for what, count in review.counts.items() if count]
    yield from (f"Resources: {', '.join(counts) or 'none'}.", "")
    yield from _diff(review.diff, detail)


def _said(review: Review, detail: _Detail) -> Iterator[str]:
    said = review.said
    for each in said[: detail.rows]:
        yield f"- {'⚠️ ' if each.loosens else ''}{plain(each.words)}"
    if len(said) > detail.rows:
        yield f"- *{len(said) - detail.rows} more changes of protections are left out.*"
    if said:
        yield ""


def _policies(review: Review, detail: _Detail) -> Iterator[str]:
    found = sorted(review.found, key=lambda each: (each.level.value != "mandatory", each.rule.id))
    yield from _table(("policy", "finds", "to mend it"), found, _finds, detail.rows)
    yield from _table(_SUPPRESSED, list(_suppressed(review)), tuple, detail.rows)


def _still_suppressed(quiet: Iterable[Review], detail: _Detail) -> Iterator[str]:
    """What is suppressed on stacks of which nothing else is said; what several have in common once."""
    stacks: dict[tuple[str, ...], list[str]] = {}
    for each in quiet:
        for cells in _suppressed(each):
            stacks.setdefault(cells, []).append(plain(each.stack))
    rows = [(*cells, ", ".join(names)) for cells, names in stacks.items()]
    yield from _table((*_SUPPRESSED, "on"), rows, tuple, detail.rows)


def _suppressed(review: Review) -> Iterator[tuple[str, ...]]:
    for each in review.suppressed:
        if each.suppression:
            yield each.rule.id, plain(str(each)), plain(each.suppression.reason), str(each.suppression.expires)


def _drifted(finding: Finding) -> tuple[str, ...]:
    return code(finding.name), plain(finding.observed)


def _opens(change: Change) -> tuple[str, ...]:
    return (*_call(change), f"**{change.risk}**", code(change.cell.rule))


def _may_open(unshown: Unshown) -> tuple[str, ...]:
    return (plain(f"{unshown.source} → {unshown.destination}"),)


def _finds(finding: Judgement) -> tuple[str, ...]:
    mark = "❌" if finding.refuses else "💡"
    return f"{mark} {finding.rule.id}", plain(str(finding)), plain(finding.rule.mend)


def _closes(change: Change) -> tuple[str, ...]:
    return (*_call(change), code(change.before))


def _changes(change: Change) -> tuple[str, ...]:
    return (*_call(change), code(change.before), code(change.cell.rule))


def _edited(edit: Edit) -> tuple[str, ...]:
    return code(edit.entry), code(edit.field), code(json.dumps(edit.before)), code(json.dumps(edit.after))


def _call(change: Change) -> tuple[str, str]:
    cell = change.cell
    return plain(f"{cell.source} → {cell.destination}"), code(f"{cell.method} {cell.path}")


def _table(
    head: tuple[str, ...], items: Sequence[_Item], cells: Callable[[_Item], tuple[str, ...]], most: int
) -> Iterator[str]:
    if items and most:
        yield from (row(*head), row(*["---"] * len(head)))
        yield from (row(*cells(each)) for each in items[:most])
        yield ""
    if len(items) > most:
        yield from (f"*{len(items) - most} more under “{head[0]}” are left out.*", "")


def _folded(
    words: str,
    head: tuple[str, ...],
    items: Sequence[_Item],
    cells: Callable[[_Item], tuple[str, ...]],
    detail: _Detail,
) -> Iterator[str]:
    if items:
        yield from (f"<details><summary>{words} ({len(items)})</summary>", "")
        yield from _table(head, items, cells, detail.folded)
        yield from ("</details>", "")


def _diff(text: str, detail: _Detail) -> Iterator[str]:
    lines = text.strip("\n").splitlines()
    if not lines or not detail.lines:
        return
    fence = "`" * max([3, *(len(run) + 1 for line in lines for run in _runs(line))])
    yield from (
        "<details><summary>what the engine says</summary>",
        "",
        f"{fence}diff",
        *lines[: detail.lines],
        fence,
        "",
    )
    if len(lines) > detail.lines:
        yield from (f"*{len(lines) - detail.lines} more lines are left out.*", "")
    yield from ("</details>", "")


def _runs(line: str) -> Iterator[str]:
    """The runs of backticks, which would end a fence that is no longer than they are."""
    run = ""
    for letter in f"{line} ":
        if letter == "`":
            run += letter
        elif run:
            yield run
            run = ""


def _calls(count: int) -> str:
    return f"{count} {'call' if count == 1 else 'calls'}"


def _in_what(reviews: Iterable[Review]) -> str:
    """Where nothing changes; of a revision nothing but its config entries is compared."""
    entries_only = any(each.against != DEPLOYED for each in reviews)
    return " in who may call whom, and under what limits and protections" if entries_only else ""
