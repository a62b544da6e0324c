"""Every caller's answer to every sample request of an application, and what changes between two such matrices.

A destination answers all callers alike that it has no rule for, so a matrix asks once for these and keeps one answer;
its cells are made while they are read. That is what lets a thousand services be compared pair by pair.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from posture.model.access import Access, Arrival, Request
from posture.model.intentions import is_pattern, names

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from posture.model.application import Application
    from posture.model.intentions import Decision

__all__ = [
    "OUTSIDE",
    "UNKNOWN",
    "Cell",
    "Matrix",
    "Row",
    "Sample",
    "declared_calls",
    "matrix",
    "rule_samples",
    "samples",
]

UNKNOWN = "unknown"
"""Stands for any identity of the mesh that the application doesn't have."""

OUTSIDE = "outside"
"""Stands for a caller without a certificate of the mesh."""


class Sample(NamedTuple):
    """A request to try on a destination."""

    destination: str
    method: str
    path: str


class Cell(NamedTuple):
    """One caller's answer to one sample; the fields are those of the matrix in JSON."""

    source: str
    destination: str
    method: str
    path: str
    allowed: bool
    rule: str


class Row(NamedTuple):
    """The answers to one sample: those of callers with rules of their own by name, and that of all others."""

    sample: Sample
    named: Mapping[str, Decision]
    others: Decision

    def of(self, source: str) -> Decision:
        """The answer to a caller."""
        return self.named.get(source, self.others)


@dataclass(frozen=True)
class Matrix:
    """The rows of a posture, by sample, and its callers, in the order in which they are shown.

    ``declared`` holds the calls that the application says it makes: without them it doesn't work.
    """

    posture: str
    access: Access
    sources: tuple[str, ...]
    rows: Mapping[Sample, Row]
    declared: frozenset[tuple[str, Sample]]

    def cells(self) -> Iterator[Cell]:
        """Every cell, destination by destination; a service doesn't call itself."""
        for (destination, method, path), row in self.rows.items():
            named, allowed, rule = row.named, row.others.allowed, row.others.rule
            for source in self.sources:
                if source in named:
                    yield Cell(source, destination, method, path, named[source].allowed, named[source].rule)
                elif source != destination:
                    yield Cell(source, destination, method, path, allowed, rule)


def samples(application: Application) -> list[Sample]:
    """The requests to try: those that anyone makes or the gateway routes, another method, and a path outside."""
    by_destination: dict[str, dict[Sample, None]] = {name: {} for name in application.services}
    for _, sample in declared_calls(application):
        by_destination[sample.destination][sample] = None
    for name, wanted in by_destination.items():
        path = next(iter(wanted)).path if wanted else "/"
        methods = {sample.method for sample in wanted}
        other = next(method for method in ("POST", "PUT", "PATCH", "DELETE", "TRACE") if method not in methods)
        wanted.update(dict.fromkeys((Sample(name, other, path), Sample(name, "GET", "/"))))
    return [sample for wanted in by_destination.values() for sample in wanted]


def declared_calls(application: Application) -> Iterator[tuple[str, Sample]]:
    """Every call that is declared, with its caller; the gateway's routes are calls of its own."""
    for callers in (application.services, application.clients):
        for name, caller in callers.items():
            for call in caller.calls:
                yield name, Sample(call.to, call.method, call.path)
    for route in application.gateway.routes:
        yield application.gateway.name, Sample(route.to, "GET", route.path)


def rule_samples(access: Access, application: Application) -> list[Sample]:
    """Requests that the rules themselves speak of, so that a difference between rules shows in a matrix."""
    found: dict[Sample, None] = {}
    for entry in access.entries:
        if entry.kind != "service-intentions" or entry.name not in application.services:
            continue
        for source in entry.body.get("Sources") or ():
            for permission in source.get("Permissions") or ():
                http = permission.get("HTTP") or {}
                prefix = http.get("PathPrefix")
                paths = [prefix, f"{prefix}0"] if prefix else [http.get("PathExact") or "/"]
                for method in http.get("Methods") or ("GET",):
                    found |= dict.fromkeys(Sample(entry.name, method, path) for path in paths)
    return list(found)


def matrix(
    access: Access, application: Application, posture: str = "", wanted: Iterable[Sample] | None = None
) -> Matrix:
    """Ask the access model for every caller's answer to every sample, by default the application's own.

    The gateway's answers are those to a browser: the gateway's routes count as well as its identity.
    """
    gateway = application.gateway.name
    sources = (gateway, *application.clients, *application.services, UNKNOWN)
    known = frozenset(sources) - {gateway, UNKNOWN}

    @cache
    def apart(rule: str) -> frozenset[str]:
        """Whom a rule's source tells from the unknown, who is asked for all others."""
        meant = frozenset(each for each in known if names(rule, each))
        return known - meant if names(rule, UNKNOWN) else meant

    @cache
    def asked(destination: str) -> tuple[str, ...]:
        named = access.named_sources(destination)
        wider = (each for each in named - known if each == UNKNOWN or is_pattern(each))
        return (*(known & named).union(*map(apart, wider)) - {destination}, UNKNOWN)

    rows = {}
    for sample in samples(application) if wanted is None else wanted:
        named = access.decide_each(asked(sample.destination), Request(UNKNOWN, *sample))
        others = named.pop(UNKNOWN)
        named[gateway] = access.enter(Arrival(gateway, sample.method, sample.path), sample.destination)
        rows[sample] = Row(sample, named, others)
    return Matrix(posture, access, sources, rows, frozenset(declared_calls(application)))
