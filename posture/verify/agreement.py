"""Asks the mesh what the model has answered, until they agree: a write to Consul takes a moment to the last Envoy."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from posture.model.access import Request

if TYPE_CHECKING:
    from collections.abc import Iterable

    from posture.model.access import Access
    from posture.model.application import Application
    from posture.verify.target import Target

__all__ = ["Disagreement", "declared_requests", "disagreements"]


_OVERLOADED = 503
"""A limit's answer, and that of a service which has not started yet: it says nothing about who may call."""


@dataclass(frozen=True)
class Disagreement:
    """A request that the model and the mesh answer differently."""

    request: Request
    allowed: bool
    observed: str

    def __str__(self) -> str:
        """In a line."""
        request, wanted = self.request, "allowed" if self.allowed else "denied"
        return (
            f"{request.source} -> {request.destination} {request.method} {request.path} "
            f"should be {wanted}; the mesh answered {self.observed}"
        )


def declared_requests(application: Application) -> tuple[Request, ...]:
    """What anybody is said to call, asked by everybody who can call."""
    calls = dict.fromkeys(
        [call for service in application.services.values() for call in service.calls]
        + [call for client in application.clients.values() for call in client.calls]
    )
    return tuple(
        Request(source, call.to, call.method, call.path)
        for call in calls
        if application.services[call.to].protocol == "http"
        for source in sorted(application.sources)
    )


def disagreements(access: Access, requests: Iterable[Request], target: Target, timeout: float) -> list[Disagreement]:
    """Ask until every answer is the model's, or the time (seconds) is up; what is left then.

    Each destination is asked by one thread at a time, so that a limit of one connection is enough for it.
    """
    deadline = time.monotonic() + timeout
    by_destination = sorted(requests, key=lambda request: request.destination)
    groups = [list(group) for _, group in groupby(by_destination, key=lambda request: request.destination)]

    def settle(group: list[Request]) -> list[Disagreement]:
        found = [_compare(access, request, target) for request in group]
        while (wrong := [each for each in found if each]) and time.monotonic() < deadline:
            time.sleep(0.05)
            found = [_compare(access, each.request, target) for each in wrong]
        return wrong

    with ThreadPoolExecutor() as pool:
        return [each for wrong in pool.map(settle, groups) for each in wrong]


def _compare(access: Access, request: Request, target: Target) -> Disagreement | None:
    allowed = access.decide(request).allowed
    for answer in target.ask(request):
        unclear = answer.status is None or answer.status == _OVERLOADED
        if unclear or answer.denied is allowed:
            return Disagreement(request, allowed, f"{answer.status or 'nothing'}: {answer.words}")
    return None
