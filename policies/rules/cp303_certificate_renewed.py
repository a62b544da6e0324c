"""Certificates are renewed before they end."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from policies.certificates import end_of, file_of, pem_of
from policies.examples import CENTURY, LASTING
from policies.rule import Level, Options, Problem, Rule
from policies.view import Resource


def judge(resource: Resource, options: Options) -> Iterator[Problem]:
    file, pem = file_of(resource.view), pem_of(resource.view, options["folder"])
    if file is not None and pem is None:
        yield Problem(f"is in the file '{file}', which can't be read here: nobody has looked when it ends")
    end, now = end_of(pem) if pem else None, datetime.now(UTC)
    if end and now < end <= now + timedelta(days=options["days"]):
        yield Problem(f"ends on {end:%Y-%m-%d}")


RULE = Rule(
    id="CP303",
    title="A gateway's certificate does not end soon",
    level=Level.ADVISORY,
    why="A certificate that ends while nobody looks takes the way in down.",
    mend="Renew it (option days: how long before its end), or judge it where its file is (option folder).",
    judge=judge,
    options={"days": 14, "folder": ""},
)

OPTIONS = {"days": 100 * 365}  # for the examples, which don't change by the day

ALLOWED = LASTING

REFUSED = CENTURY
