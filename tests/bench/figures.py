"""What a benchmark reports."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from pathlib import Path
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


def peak_megabytes(process: int) -> float:
    """The most that a process has had resident; 0 for one that has ended and not been waited for.

    Raises:
        OSError: There is no such process.
    """
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
    return int(found[1]) / 1024 if found else 0
