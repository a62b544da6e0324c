"""A source has an action or permissions."""

from collections.abc import Iterator

from policies.examples import READER
from policies.intention import sources
from policies.rule import Level, Problem, Rule, about
from posture.model.entry import Entry


def judge(entry: Entry) -> Iterator[Problem]:
    for place, source in sources(entry):
        if source.get("Action") and source.get("Permissions"):
            yield Problem(f"source {source['Name']} has an action beside its permissions", (*place, "Action"))


RULE = Rule(
    id="CP109",
    title="A source has an action or permissions, not both",
    level=Level.MANDATORY,
    why="Consul refuses the entry, and readers can't tell which of the two was meant.",
    mend="Remove Action, or the permissions.",
    judge=about(Entry, judge),
)

ALLOWED = READER

REFUSED = READER.replace("Name: productpage", "Name: productpage, Action: deny")
