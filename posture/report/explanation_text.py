"""An explanation for people: the answer, the rule and where it is written, and what came nearest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from posture.model.explanation import Explanation
    from posture.model.origins import Origin

__all__ = ["explanation_text"]


def explanation_text(explanation: Explanation, origins: Mapping[str, Origin]) -> Text:
    """The answer in a line, then a line for each of: the rule, its words, its place, the nearest other rule, limits."""
    decision, nearest = explanation.decision, explanation.nearest
    answer = Text("ALLOWED", "bold green") if decision.allowed else Text("DENIED", "bold red")
    call = f"  {explanation.source} → {explanation.destination}  {explanation.method} {explanation.path}"
    status = "" if decision.allowed else f"  ({decision.status or 'no answer'})"
    lines = [answer.append_text(Text(call + status, "default")), *_rule("by", decision.rule, decision.why, origins)]
    if nearest:
        lines += _rule("nearest", nearest.rule, nearest.words, origins)
        if nearest.differs:
            lines.append(_line("needs", ", ".join(nearest.differs)))
        else:
            lines.append(_line("but", "another rule comes before it"))
    else:
        lines.append(_line("nearest", f"no rule {'denies' if decision.allowed else 'allows'} it"))
    lines += [_line("limit" if i == 0 else "", words) for i, words in enumerate(explanation.limits)]
    return Text("\n").join(lines)


def _rule(label: str, name: str, words: str, origins: Mapping[str, Origin]) -> list[Text]:
    lines = [_line(label, name), _line("", words)]
    origin = origins.get(name)
    if origin:
        lines.append(_line("", f"{origin}" + (f"  grant {origin.grant}" if origin.grant else "")))
    return lines


def _line(label: str, words: str) -> Text:
    return Text.assemble((f"  {label:<8} ", "dim"), words)
