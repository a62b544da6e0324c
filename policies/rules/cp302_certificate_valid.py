"""No certificate that has ended."""

from collections.abc import Iterator
from datetime import UTC, datetime

from policies.certificates import ends
from policies.examples import ENDED, LASTING
from policies.rule import Level, Problem, Rule, about
from policies.view import Certificate


def judge(certificate: Certificate) -> Iterator[Problem]:
    end = ends(certificate)
    if end is None:
        yield Problem("is no certificate in PEM")
    elif end <= datetime.now(UTC):
        yield Problem(f"ended on {end:%Y-%m-%d}")


RULE = Rule(
    id="CP302",
    title="A gateway's certificate has not ended",
    level=Level.MANDATORY,
    why="Browsers refuse it, and people learn to click the warning away.",
    mend="Renew the certificate.",
    judge=about(Certificate, judge),
)

ALLOWED = LASTING

REFUSED = ENDED
