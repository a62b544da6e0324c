"""No allow that holds for every destination."""

from collections.abc import Iterator

from policies.intention import allows
from policies.rule import Level, Problem, Rule, about
from posture.model.entry import Entry


def judge(entry: Entry) -> Iterator[Problem]:
    if entry.name == "*":
        for allow in allows(entry):
            yield Problem(f"lets {'anyone' if allow.source == '*' else allow.source} call every service", allow.place)


RULE = Rule(
    id="CP105",
    title="Nothing is allowed to every destination",
    level=Level.MANDATORY,
    why="An allow for the destination * also opens services that are added later, and a '*' deny on one of them "
    "does not take it back.",
    mend="Allow the caller at each destination that it needs.",
    judge=about(Entry, judge),
)

ALLOWED = """
Kind: service-intentions
Name: "*"
Sources: [{Name: "*", Action: deny}]
"""

REFUSED = """
Kind: service-intentions
Name: "*"
Sources: [{Name: productpage, Action: allow}]
"""
