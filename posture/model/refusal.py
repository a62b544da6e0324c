"""A proxy's own answer to a request that no rule is asked about."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Refusal"]


class Refusal(NamedTuple):
    """A request that the proxy answers by itself with this HTTP status; no rule is asked."""

    status: int
    why: str
