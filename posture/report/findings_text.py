"""Findings for a terminal: one a line, in the form that editors jump from; what is suppressed comes last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from policies.rule import Level
from posture.report.findings import alone

if TYPE_CHECKING:
    from collections.abc import Iterable

    from posture.report.findings import Placed

__all__ = ["findings_text"]

_STYLES = {Level.MANDATORY: "bold red", Level.ADVISORY: "yellow"}


def findings_text(placed: Iterable[Placed], judged: int) -> Text:
    """A line for each finding, one below it on how to mend it, and the sum; ``judged`` counts resources."""
    placed = list(placed)
    lines: list[Text] = []
    for finding, file, line in sorted(placed, key=lambda each: (each.finding.suppression is not None, each[1:])):
        lines.append(
            Text.assemble(
                (f"{file}:{line}: ", "bold"),
                ("suppressed", "dim") if finding.suppression else (finding.level.value, _STYLES[finding.level]),
                f" {finding.rule.id} {finding}",
            )
        )
        if finding.suppression:
            until = f"until {finding.suppression.expires}: {finding.suppression.reason}"
            lines.append(Text(f"    {until} ({finding.suppression.where}{alone(finding.suppression)})", "dim"))
        else:
            lines.append(Text(f"    {finding.rule.mend}", "dim"))
    refused = sum(each.finding.refuses for each in placed)
    suppressed = sum(each.finding.suppression is not None for each in placed)
    advice = len(placed) - refused - suppressed
    verdict = Text(f"{refused} refused", "bold red") if refused else Text("nothing refused", "green")
    lines.append(
        verdict.append_text(Text(f", {advice} advised, {suppressed} suppressed; {judged} resources", "default"))
    )
    return Text("\n").join(lines)
