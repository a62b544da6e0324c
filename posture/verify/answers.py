"""What an HTTP request met with, whoever sent it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["UPSTREAM_TIME", "Answer", "nobody_listens"]

_FORBIDDEN = 403
UPSTREAM_TIME = "x-envoy-upstream-service-time"
"""Envoy's router adds it to what comes from upstream, and to nothing that Envoy answers by itself."""


@dataclass(frozen=True)
class Answer:
    """What came back: an HTTP status with the beginning of its body, or, without a status, the error's own words.

    ``passed_on`` says that the proxy which was asked had the answer from further on.
    """

    status: int | None
    words: str
    passed_on: bool = False

    @property
    def denied(self) -> bool:
        """Whether Envoy's RBAC filter refused; an application's own 403 has other words."""
        return self.status == _FORBIDDEN and self.words.startswith("RBAC: access denied")


def nobody_listens(error: str) -> bool:
    """Whether an error says that a port has no process behind it, in the system's words or in curl's."""
    return "Connection refused" in error or "connect to server" in error
