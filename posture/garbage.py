"""How often Python looks for garbage that only a search finds."""

from __future__ import annotations

import gc

__all__ = ["collect_seldom"]

_OBJECTS = 1_000_000
"""After so many new ones; Python's own number is 700."""


def collect_seldom() -> None:
    """Look less often: on a thousand services the search takes a third of a command's time, and finds nothing."""
    gc.set_threshold(_OBJECTS)
