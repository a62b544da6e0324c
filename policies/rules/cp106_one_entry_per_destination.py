"""One intention entry for each destination."""

from collections.abc import Iterator

from policies.rule import Level, Options, Problem, Rule
from policies.view import Stack
from posture.model.entry import Kind


def judge(stack: Stack, _options: Options) -> Iterator[Problem]:
    seen: set[str] = set()
    for resource, entry in stack.entries(Kind.SERVICE_INTENTIONS):
        name = entry.name.lower()  # so does Consul's state store: two in other cases are one
        if name in seen:
            yield Problem("is written twice; the later one wins, or is refused", on=resource)
        seen.add(name)


RULE = Rule(
    id="CP106",
    title="Each destination has one intention entry",
    level=Level.MANDATORY,
    why="Consul keeps one entry a destination: two overwrite each other, and Kubernetes' webhook refuses the second.",
    mend="Put all sources of a destination into one entry.",
    judge_stack=judge,
)

ALLOWED = """
Kind: service-intentions
Name: details
Sources: [{Name: productpage, Action: allow}, {Name: fortio, Action: deny}]
"""

REFUSED = """
Kind: service-intentions
Name: details
Sources: [{Name: productpage, Action: allow}]
---
Kind: service-intentions
Name: Details
Sources: [{Name: fortio, Action: deny}]
"""
