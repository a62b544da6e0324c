"""Asks the mesh what the model has answered, until they agree: a write to Consul takes a moment to the last Envoy."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from posture.model.access import Request

if TYPE_CHECKING:
    from collections.abc import Iterable

    from posture.model.access import Access
    from posture.model.application import Application
    from posture.verify.target import Target

__all__ = ["Disagreement", "Settled", "declared_requests", "settle"]

_OVERLOADED = 503
"""A limit's answer, and that of a service which has not started yet: it says nothing about who may call."""

_PATIENCE_WITH_LIMITS = 3.0


@dataclass(frozen=True)
class Disagreement:
    """A request that the model and the mesh answer differently, or that the mesh did not answer (``silent``)."""

    request: Request
    allowed: bool
    observed: str
    silent: bool

    def __str__(self) -> str:
        """In a line."""
        request, wanted = self.request, "allowed" if self.allowed else "denied"
        return (
            f"{request.source} -> {request.destination} {request.method} {request.path} "
            f"should be {wanted}; the mesh answered {self.observed}"
        )


class Settled(NamedTuple):
    """What is left when the mesh was given its time: what differs, and what could not be asked."""

    wrong: list[Disagreement]
    unmeasured: list[Disagreement]


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


def settle(access: Access, requests: Iterable[Request], target: Target, timeout: float) -> Settled:
    """Ask until every answer is the model's, or the time (seconds) is up.

    Each destination is asked by one thread at a time, so that a limit of one connection is enough for it. Where others
    hold all the connections that a limit allows, idle ones included, nothing can be asked and nothing is claimed.
    """
    by_destination = sorted(requests, key=lambda request: request.destination)
    groups = [(name, list(group)) for name, group in groupby(by_destination, key=lambda request: request.destination)]

    def ask(destination: str, group: list[Request]) -> Settled:
        limited = access.connection_limit(destination) is not None
        begun = time.monotonic()
        left = [found for request in group if (found := _compare(access, request, target))]
        while left and time.monotonic() < begun + timeout:
            if limited and all(each.silent for each in left) and time.monotonic() > begun + _PATIENCE_WITH_LIMITS:
                return Settled([], left)
            time.sleep(0.05)
            left = [found for each in left if (found := _compare(access, each.request, target))]
        return Settled(left, [])

    with ThreadPoolExecutor() as pool:
        parts = list(pool.map(lambda each: ask(*each), groups))
    return Settled(
        [each for part in parts for each in part.wrong], [each for part in parts for each in part.unmeasured]
    )


def _compare(access: Access, request: Request, target: Target) -> Disagreement | None:
    allowed = access.decide(request).allowed
    for answer in target.ask(request):
        silent = answer.status is None or answer.status == _OVERLOADED
        if silent or answer.denied is allowed:
            return Disagreement(request, allowed, f"{answer.status or 'nothing'}: {answer.words}", silent)
    return None
