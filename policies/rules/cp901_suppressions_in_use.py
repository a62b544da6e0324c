"""A suppression ends with its reason."""

from collections.abc import Iterator
from datetime import UTC, datetime

from policies.examples import READER
from policies.rule import Level, Options, Problem, Rule
from policies.view import Stack


def judge(stack: Stack, _options: Options) -> Iterator[Problem]:
    by_name = {resource.name: resource for resource in stack.resources}
    today = datetime.now(UTC).date()
    for each in stack.suppressions:
        resource = by_name.get(each.resource)
        if resource is None and each.resource != "stack" and not each.stack:
            continue  # of another stack; `posture policy` looks at all of them
        what = f"suppression of {each.rule} ({each.where})"
        if each.expires < today:
            yield Problem(f"has a {what} that ended on {each.expires}", on=resource)
        elif (each.rule, each.resource) not in stack.found:
            yield Problem(f"has a {what} for what isn't found any more", on=resource)


RULE = Rule(
    id="CP901",
    title="Suppressions are in date, and needed",
    level=Level.MANDATORY,
    why="A suppression that outlives its reason hides the next mistake in the same place.",
    mend="Remove the suppression, or mend what it was for; have a new date reviewed.",
    judge_stack=judge,
    always=True,
)

SUPPRESSIONS = """
suppressions:
  - rule: CP203
    resource: service-intentions/details
    reason: its paths are frozen until it is replaced
    expires: 9999-12-31
"""

ALLOWED = READER.replace("/details/", "/details")

REFUSED = READER
