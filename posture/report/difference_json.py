"""A difference for machines."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from posture.model.difference import Change, Difference

__all__ = ["difference_json"]


def difference_json(difference: Difference) -> str:
    """`opened`, `closed` and `changed` hold cells with the rule `before` and, where one opens, the `risk`.

    `unshown` has the calls that may open though no request that was tried shows it.
    """
    return json.dumps(
        {
            "old": difference.old,
            "new": difference.new,
            "opened": [_change(change) for change in difference.opened],
            "unshown": [each._asdict() for each in difference.unshown],
            "closed": [_change(change) for change in difference.closed],
            "changed": [_change(change) for change in difference.changed],
            "limits": [each.words for each in difference.limits],
            "edits": [edit._asdict() for edit in difference.edits],
        },
        indent=2,
    )


def _change(change: Change) -> dict[str, Any]:
    return {**change.cell._asdict(), "before": change.before} | ({"risk": change.risk} if change.risk else {})
