"""Certificates are renewed before they end."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from policies.certificates import ends
from policies.examples import CENTURY, LASTING
from policies.rule import Level, Options, Problem, Rule
from policies.view import Certificate, Resource


def judge(resource: Resource, options: Options) -> Iterator[Problem]:
    end = ends(resource.view) if isinstance(resource.view, Certificate) else None
    now = datetime.now(UTC)
    if end and now < end <= now + timedelta(days=options["days"]):
        yield Problem(f"ends on {end:%Y-%m-%d}")


RULE = Rule(
    id="CP303",
    title="A gateway's certificate does not end soon",
    level=Level.ADVISORY,
    why="A certificate that ends while nobody looks takes the way in down.",
    mend="Renew the certificate; the option days says how long before its end.",
    judge=judge,
    options={"days": 14},
)

OPTIONS = {"days": 100 * 365}  # for the examples, which don't change by the day

ALLOWED = LASTING

REFUSED = CENTURY
