"""One verification: every call of the matrix, then everything else that can be tried, section by section."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from posture.model.access import Access
from posture.model.held import held_entries
from posture.model.matrix import matrix
from posture.model.rates import rates_of
from posture.verify.bypass import bypass_findings
from posture.verify.capture import capture_findings
from posture.verify.cells import observed_cells, unmeasured_findings
from posture.verify.drift import drift_findings
from posture.verify.findings import Finding, Outcome, Section, Verification
from posture.verify.limits import limits_findings
from posture.verify.mtls import mtls_findings
from posture.verify.openings import opening_findings
from posture.verify.outside import outside_findings
from posture.verify.places import make_room
from posture.verify.rates import rates_findings
from posture.verify.upstreams import upstreams_findings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from posture.model.application import Application
    from posture.model.entries import Entry
    from posture.model.matrix import Matrix
    from posture.verify.target import NearTarget, Target

__all__ = ["SECTIONS", "Progress", "Subject", "verify"]

_SETTLING = 5.0
"""Seconds that the last change is given to reach every Envoy; 0.3 s is usual."""

_WHY_NOT_NEAR = "its bytes can't be sent from here to a mesh on other machines"


def _near(
    section: Section,
    name: str,
    expected: str,
    find: Callable[[NearTarget, Application, Access], list[Finding]],
    concerns: Callable[[Access], bool] = lambda _: True,
) -> Callable[[Target, Application, Access], list[Finding]]:
    """What is only tried on a mesh on this machine; of another, where it is concerned, it is said that it wasn't."""

    def found(target: Target, application: Application, access: Access) -> list[Finding]:
        if target.near is not None:
            return find(target.near, application, access)
        finding = Finding(section, name, Outcome.NOT_MEASURED, expected, _WHY_NOT_NEAR)
        return [finding] if concerns(access) else []

    return found


def _has_rates(access: Access) -> bool:
    return any(rates_of(limit) for limit in access.limits.values())


SECTIONS: tuple[tuple[str, Callable[[Target, Application, Access], Iterable[Finding]]], ...] = (
    (
        "trying what mutual TLS must refuse",
        _near(Section.MTLS, "old TLS, forged and foreign certificates", "refused", mtls_findings),
    ),
    ("looking for ways past mutual TLS", lambda target, application, _: opening_findings(target, application)),
    (
        "listening to the wire",
        _near(Section.MTLS, "nothing readable between sidecars", "TLS records", capture_findings),
    ),
    (
        "trying to get past the rules",
        _near(Section.BYPASS, "disguised and smuggled requests", "refused, or decided as what it is", bypass_findings),
    ),
    ("trying from outside", outside_findings),
    ("loading the services", limits_findings),
    ("reading what callers hold back", upstreams_findings),
    (
        "using up the rates",
        _near(Section.LIMITS, "rates under load", "as many as they let through", rates_findings, _has_rates),
    ),
)
"""What is tried beside the calls, one after the other, and the words for it while it is."""


class Progress(Protocol):
    """Is told how far a verification has come, from several threads."""

    def begin(self, words: str, total: int) -> None:
        """Something begins that takes so many steps."""

    def advance(self) -> None:
        """A step is done."""


@dataclass(frozen=True)
class Subject:
    """What is verified: a stack's mesh, and what it should do."""

    stack: str
    application: Application
    posture: str
    entries: tuple[Entry, ...]
    target: Target

    @property
    def matrix(self) -> Matrix:
        """The model's answers."""
        return matrix(Access(self.entries), self.application, self.posture)


def verify(subject: Subject, progress: Progress) -> Verification:
    """Try everything on a running mesh. Requests are sent under every identity; bodies are empty.

    Before each part, the idle connections that proxies hold to services with a limit are closed, or nobody could ask.
    """
    started, clock = datetime.now(UTC), time.monotonic()
    application, target, model = subject.application, subject.target, subject.matrix

    progress.begin("comparing what Consul holds", 1)
    findings = drift_findings(application, subject.posture, subject.entries, held_entries(target.entries()))
    if target.unread:
        wanted = "all that Consul holds"
        findings.append(
            Finding(Section.DRIFT, "entries that weren't read", Outcome.NOT_MEASURED, wanted, target.unread)
        )
    progress.advance()

    total = sum(1 for _ in model.cells())
    progress.begin(f"asking {total} calls", total)
    make_room(target, application, model.access)
    cells = observed_cells(model, application, target, _SETTLING, progress.advance)
    findings += unmeasured_findings(cells)

    for words, section in SECTIONS:
        progress.begin(words, 1)
        make_room(target, application, model.access)
        findings += section(target, application, model.access)
        progress.advance()
    return Verification(
        stack=subject.stack,
        posture=subject.posture,
        started=started.isoformat(timespec="seconds"),
        seconds=round(time.monotonic() - clock, 2),
        cells=tuple(cells),
        findings=tuple(findings),
    )
