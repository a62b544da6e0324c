"""Findings for machines."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from posture.report.findings import Placed

__all__ = ["findings_json"]


def findings_json(placed: Iterable[Placed], judged: int) -> str:
    """`findings` with rule, level, resource, words and place.

    `suppressed` is null, or why and until when, and the stack in which alone.
    """
    return json.dumps({"judged": judged, "findings": [_finding(each) for each in placed]}, indent=2)


def _finding(placed: Placed) -> dict[str, Any]:
    finding, suppression = placed.finding, placed.finding.suppression
    return {
        "rule": finding.rule.id,
        "level": finding.level,
        "resource": finding.resource,
        "message": str(finding),
        "mend": finding.rule.mend,
        "file": placed.file,
        "line": placed.line,
        "suppressed": suppression
        and {
            "reason": suppression.reason,
            "expires": suppression.expires.isoformat(),
            "stack": suppression.stack or None,
        },
    }
