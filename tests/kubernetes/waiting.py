"""Wait for what comes by itself, with a bound."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["until"]

T = TypeVar("T")


def until(question: Callable[[], T], seconds: float = 20) -> T:
    """The first answer that is true; fails after that time."""
    deadline = time.monotonic() + seconds
    while not (answer := question()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)
    return answer
