"""What a benchmark reports."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Row:
    """A figure, the floor that it is held against in the same run, and the goal for their ratio or for itself."""

    what: str
    figure: str
    floor: str = ""
    ratio: str = ""
    goal: str = ""


def timed(work: Callable[[], object]) -> float:
    """Seconds."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
