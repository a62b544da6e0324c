"""An explanation for machines."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from posture.model.explanation import Explanation
    from posture.model.origins import Origin

__all__ = ["explanation_json"]


def explanation_json(explanation: Explanation, origins: Mapping[str, Origin]) -> str:
    """The cell's fields, then `why`, `status`, `where` (file, line, grant, or null), `nearest` (or null), `limits`."""
    decision, nearest = explanation.decision, explanation.nearest
    found: dict[str, Any] = {
        "source": explanation.source,
        "destination": explanation.destination,
        "method": explanation.method,
        "path": explanation.path,
        "allowed": decision.allowed,
        "rule": decision.rule,
        "why": decision.why,
        "status": decision.status,
        "where": _place(origins.get(decision.rule)),
        "nearest": None,
        "limits": explanation.limits,
    }
    if nearest:
        place = _place(origins.get(nearest.rule))
        found["nearest"] = {"rule": nearest.rule, "words": nearest.words, "differs": nearest.differs, "where": place}
    return json.dumps(found, indent=2)


def _place(origin: Origin | None) -> dict[str, Any] | None:
    return origin and {"file": origin.file, "line": origin.line, "grant": origin.grant or None}
