"""Paths and methods only where there are any."""

from collections.abc import Iterator

from policies.examples import HTTP, READER
from policies.intention import permissions
from policies.rule import Level, Options, Problem, Rule
from policies.view import Stack
from posture.model.entry import Kind


def judge(stack: Stack, _options: Options) -> Iterator[Problem]:
    for resource, entry in stack.entries(Kind.SERVICE_INTENTIONS):
        place = next((place for place, _ in permissions(entry)), None)
        if place is not None and not stack.access.is_http(entry.name):
            yield Problem("has permissions, and its protocol is not http", place, resource)


RULE = Rule(
    id="CP107",
    title="Only http services have rules about requests",
    level=Level.MANDATORY,
    why="A tcp service has no paths or methods: Consul refuses such rules, or denies everything when the protocol "
    "changes under them.",
    mend="Set Protocol to http in the service's service-defaults, or allow by source alone.",
    judge_stack=judge,
)

ALLOWED = f"{HTTP}---{READER}"

REFUSED = ALLOWED.replace("Protocol: http", "Protocol: tcp")
