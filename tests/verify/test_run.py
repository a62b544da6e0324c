"""What can't be tried on a mesh that is not near is said to be not measured, never to hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from posture.verify.findings import Finding, Outcome, Section
from posture.verify.run import SECTIONS

if TYPE_CHECKING:
    from posture.model.access import Access
    from posture.model.application import Application
    from posture.verify.target import Target


class FarAway:
    """Has nothing to be asked for: whoever asks for more than whether it is near fails."""

    near = None


def test_what_needs_sockets_is_one_finding_that_says_so() -> None:
    application, access = cast("Application", None), cast("Access", None)
    found: list[Finding] = []
    for words, section in SECTIONS:
        if words in {"trying what mutual TLS must refuse", "listening to the wire", "trying to get past the rules"}:
            found += section(cast("Target", FarAway()), application, access)
    assert [(each.section, each.outcome) for each in found] == [
        (Section.MTLS, Outcome.NOT_MEASURED),
        (Section.MTLS, Outcome.NOT_MEASURED),
        (Section.BYPASS, Outcome.NOT_MEASURED),
    ]
    assert {each.observed for each in found} == {"its bytes can't be sent from here to a mesh on other machines"}
