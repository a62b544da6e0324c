"""No certificate that has ended."""

from collections.abc import Iterator
from datetime import UTC, datetime

from policies.certificates import end_of, pem_of
from policies.examples import ENDED, LASTING
from policies.rule import Level, Options, Problem, Rule
from policies.view import Resource


def judge(resource: Resource, options: Options) -> Iterator[Problem]:
    pem = pem_of(resource.view, options["folder"])
    if pem is None:
        return  # CP303 says so of a file that can't be read
    end = end_of(pem)
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
    judge=judge,
    options={"folder": ""},
)

ALLOWED = LASTING

REFUSED = ENDED
