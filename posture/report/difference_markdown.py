"""A difference for pull requests: what opens first, the rest folded away."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from posture.report.markdown import code, plain, row

if TYPE_CHECKING:
    from posture.model.difference import Change, Difference

__all__ = ["difference_markdown"]


def difference_markdown(difference: Difference) -> str:
    """A heading with the count of what opens and closes, then a table each."""
    title = f"### `{difference.old}` → `{difference.new}`: "
    if not difference:
        return f"{title}no difference"
    opens, closes = len(difference.opened), len(difference.closed)
    unshown = len(difference.unshown)
    verdict = [*([f"⚠️ **{opens} open**"] if opens else []), *([f"⚠️ **{unshown} may open**"] if unshown else [])]
    lines = [f"{title}{', '.join(verdict) or 'nothing opens'}, {closes} close"]
    if difference.opened:
        lines += ["", row("opens", "request", "risk", "rule"), row(*["---"] * 4)]
        lines += [row(*_call(each), f"**{each.risk}**", code(each.cell.rule)) for each in difference.opened]
    if unshown:
        lines += ["", "**may open, though no request that was tried shows it; see the fields**", ""]
        lines += [f"- {plain(f'{each.source} → {each.destination}')}" for each in difference.unshown]
    lines += _folded("closes", difference.closed)
    lines += _folded("same answer, other rule", difference.changed)
    if difference.limits:
        lines += ["", "**limits**", "", *(f"- {plain(each.words)}" for each in difference.limits)]
    if difference.edits:
        lines += _summary("edited fields", len(difference.edits))
        lines += [row("entry", "field", "before", "after"), row(*["---"] * 4)]
        for edit in difference.edits:
            lines.append(
                row(code(edit.entry), code(edit.field), code(json.dumps(edit.before)), code(json.dumps(edit.after)))
            )
        lines += ["", "</details>"]
    return "\n".join(lines)


def _folded(words: str, changes: tuple[Change, ...]) -> list[str]:
    if not changes:
        return []
    lines = [*_summary(words, len(changes)), row("call", "request", "rule before", "rule after"), row(*["---"] * 4)]
    lines += [row(*_call(change), code(change.before), code(change.cell.rule)) for change in changes]
    return [*lines, "", "</details>"]


def _summary(words: str, count: int) -> list[str]:
    return ["", f"<details><summary>{words} ({count})</summary>", ""]


def _call(change: Change) -> tuple[str, str]:
    cell = change.cell
    return f"{cell.source} → {cell.destination}", code(f"{cell.method} {cell.path}")
