"""Deny for all is written down."""

from collections.abc import Iterator

from policies.intention import peer_of
from policies.rule import Level, Options, Problem, Rule
from policies.view import Stack
from posture.model.entry import Kind


def judge(stack: Stack, _options: Options) -> Iterator[Problem]:
    entries = [entry for _, entry in stack.entries(Kind.SERVICE_INTENTIONS)]
    denied = any(
        source.get("Name") == "*" and source.get("Action") == "deny" and not peer_of(source)
        for entry in entries
        if entry.name == "*"
        for source in entry.body.get("Sources") or ()
    )
    if entries and not denied:
        yield Problem("has intentions, and none that denies * to *")


RULE = Rule(
    id="CP701",
    title="Intentions stand on top of deny for all",
    level=Level.MANDATORY,
    why="Where the default policy is ever changed, a service without intentions of its own is open to all.",
    mend="Add service-intentions for * with the source * and the action deny.",
    judge_stack=judge,
)

ALLOWED = """
Kind: service-intentions
Name: "*"
Sources: [{Name: "*", Action: deny}]
---
Kind: service-intentions
Name: details
Sources: [{Name: productpage, Action: allow}]
"""

REFUSED = """
Kind: service-intentions
Name: details
Sources: [{Name: productpage, Action: allow}]
"""
