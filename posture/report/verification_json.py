"""A verification for machines: the matrix with the mesh's answers, and every finding."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from posture.verify.findings import Verification

__all__ = ["verification_json"]


def verification_json(verification: Verification) -> str:
    """The matrix's own form, a cell having ``observed`` and ``outcome`` as well; then ``findings``, one object each.

    ``observed`` is an HTTP status, or words where a status alone would not tell; ``outcome`` is "holds", "fails" or
    "not measured".
    """
    content = {
        "stack": verification.stack,
        "posture": verification.posture,
        "started": verification.started,
        "seconds": verification.seconds,
        "holds": verification.holds,
        "cells": [
            {**each.cell._asdict(), "observed": each.observed, "outcome": each.outcome} for each in verification.cells
        ],
        "findings": [
            {**asdict(finding), "moments": [moment._asdict() for moment in finding.moments]}
            for finding in verification.findings
        ],
    }
    return json.dumps(content, indent=2)
