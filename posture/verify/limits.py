"""Limits under load: within one nobody is refused, beyond it somebody is, and Envoy's own counter says by whom.

Fortio's threads send in step, so that as many requests are under way at once as it has connections.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from posture.verify.findings import Finding, Outcome, Section
from posture.verify.places import give_back, loaders, refused, taken

if TYPE_CHECKING:
    from posture.model.access import Access
    from posture.model.application import Application
    from posture.verify.target import Target

__all__ = ["limits_findings"]

_QPS, _SECONDS = 200, 1
_MOST_CONNECTIONS = 100
_TRIES, _PAUSE = 5, 0.1
"""Consul's check of the sidecar's port takes a place for an instant, which a load that takes all of them may notice."""

_REFUSED = "503"
_BAD = {_REFUSED, "-1"}
"""Refused, or without an answer as Fortio writes it."""


def limits_findings(target: Target, application: Application, access: Access) -> list[Finding]:
    """Load each service as a client, within its limit of connections and beyond; without a limit, on two connections.

    At most 200 requests within a second a load. Idle connections of the gateway and the clients are closed before each.
    """
    findings = []
    for service in application.services:
        limit = access.connection_limit(service)
        caller = next(loaders(application, access, service), None)
        if limit is not None:
            findings += _limited(_Loading(target, application, access, service, caller), limit)
        elif caller:
            findings.append(_unlimited(_Loading(target, application, access, service, caller)))
    return findings


@dataclass(frozen=True)
class _Loading:
    """Who loads whom."""

    target: Target
    application: Application
    access: Access
    service: str
    caller: tuple[str, str] | None

    def give_back(self) -> None:
        give_back(self.target, self.application, self.access, self.service)

    def load(self, connections: int) -> dict[str, int]:
        """How often each status came; Fortio's -1 is no answer."""
        client, path = self.caller or ("", "")
        options = ("-c", str(connections), "-qps", str(_QPS), "-t", f"{_SECONDS}s", "-timeout", "2s", "-nocatchup")
        result = self.target.load(client, self.service, path, *options, "-allow-initial-errors")
        return {str(code): int(times) for code, times in result["RetCodes"].items()}

    def refused(self) -> int | None:
        return refused(self.target, self.service)


def _unlimited(loading: _Loading) -> Finding:
    codes = loading.load(2)
    limited = loading.refused() is not None
    words = f"{_words(codes)}; Envoy has a limit" if limited else _words(codes)
    holds = not limited and not codes.keys() & _BAD
    return _finding(
        f"{loading.service} without a limit of connections", "no 503 on 2 connections", words, codes, holds=holds
    )


def _limited(loading: _Loading, limit: int) -> list[Finding]:
    within = f"{loading.service} within its limit of {limit}", "no 503"
    beyond = f"{loading.service} beyond its limit of {limit}", "503, refused by Envoy's limit"
    connections = limit * len(loading.target.instances(loading.service)) + 1
    if loading.caller is None:
        return [_unmeasured(*each, "no client may call it") for each in (within, beyond)]
    if connections > _MOST_CONNECTIONS:
        return [_unmeasured(*each, f"would take {connections} connections at once") for each in (within, beyond)]
    try:
        return [_within(loading, limit, *within), _beyond(loading, connections, *beyond)]
    finally:
        loading.give_back()


def _within(loading: _Loading, limit: int, name: str, expected: str) -> Finding:
    codes: dict[str, int] = {}
    free = 0
    for _ in range(_TRIES):
        loading.give_back()
        others = taken(loading.target, loading.service)
        if others >= limit:
            time.sleep(_PAUSE)  # what was given back may not be closed yet
            continue
        free = limit - others
        codes = loading.load(free)
        if not codes.keys() & _BAD:
            break
    if not codes:
        return _unmeasured(name, expected, f"others hold all {limit} connections")
    return _finding(name, expected, f"{_words(codes)} on {free} connections", codes, holds=not codes.keys() & _BAD)


def _beyond(loading: _Loading, connections: int, name: str, expected: str) -> Finding:
    codes: dict[str, int] = {}
    witness: int | None = None
    for _ in range(_TRIES):
        loading.give_back()
        before = loading.refused()
        codes = loading.load(connections)
        after = loading.refused()
        witness = None if before is None or after is None else after - before
        if _REFUSED in codes or witness is None:
            break
    said = "Envoy has no limit" if witness is None else f"Envoy's limit refused {witness}"
    words = f"{_words(codes)} on {connections} connections; {said}"
    return _finding(name, expected, words, codes, holds=_REFUSED in codes and bool(witness))


def _words(codes: dict[str, int]) -> str:
    return ", ".join(f"{times} times {code}" for code, times in sorted(codes.items())) or "no request"


def _finding(name: str, expected: str, observed: str, codes: dict[str, int], *, holds: bool) -> Finding:
    return Finding(Section.LIMITS, name, Outcome.HOLDS if holds else Outcome.FAILS, expected, observed, codes)


def _unmeasured(name: str, expected: str, why: str) -> Finding:
    return Finding(Section.LIMITS, name, Outcome.NOT_MEASURED, expected, why)
