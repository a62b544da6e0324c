"""A matrix for machines: one object a cell."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from posture.model.matrix import Matrix

__all__ = ["matrix_json"]


def matrix_json(matrix: Matrix) -> str:
    """The posture's name and its cells: source, destination, method, path, allowed, rule."""
    return json.dumps({"posture": matrix.posture, "cells": [cell._asdict() for cell in matrix.cells()]}, indent=2)
