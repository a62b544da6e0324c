"""Nobody is let in without being named."""

import re
from collections.abc import Iterator

from policies.intention import allows
from policies.rule import Level, Problem, Rule, about
from posture.model.entry import Entry

_NAME = re.compile(r"[A-Za-z0-9_-]+")


def judge(entry: Entry) -> Iterator[Problem]:
    for allow in allows(entry):
        if allow.source == "*":
            yield Problem("lets anyone in: source *", allow.place)
        elif not _NAME.fullmatch(allow.source):
            # Consul puts the name into a regular expression as it is (`makeSpiffePattern`).
            yield Problem(f"lets more in than it names: source {allow.source} is a pattern", allow.place)


RULE = Rule(
    id="CP104",
    title="Nothing is allowed from *",
    level=Level.MANDATORY,
    why="An allow from * opens a service to every identity of the mesh, those of tomorrow included.",
    mend="Name each caller with an entry of its own among the sources.",
    judge=about(Entry, judge),
)

ALLOWED = """
Kind: service-intentions
Name: details
Sources: [{Name: productpage, Action: allow}]
"""

REFUSED = """
Kind: service-intentions
Name: details
Sources: [{Name: "*", Action: allow}]
"""
