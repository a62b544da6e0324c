"""The gateway answers for the names it is meant for."""

from collections.abc import Iterator

from policies.examples import GATEWAY
from policies.rule import Level, Problem, Rule, about
from posture.model.entry import Entry, Kind


def judge(entry: Entry) -> Iterator[Problem]:
    if entry.kind == Kind.API_GATEWAY:
        for i, listener in enumerate(entry.body.get("Listeners") or ()):
            if "*" in (listener.get("Hostname") or "*"):
                words = f"listener {listener.get('Name', i)} takes {listener.get('Hostname') or 'any'} as its hostname"
                yield Problem(words, ("Listeners", i, "Hostname"))
    if entry.kind == Kind.HTTP_ROUTE:
        for i, name in enumerate(entry.body.get("Hostnames") or ()):
            if "*" in name:
                yield Problem(f"takes {name} as its hostname", ("Hostnames", i))


RULE = Rule(
    id="CP304",
    title="A gateway's hostnames are named",
    level=Level.ADVISORY,
    why="A gateway that answers to any name answers to those that others point at it.",
    mend="Write the hostname that browsers use, without *.",
    judge=about(Entry, judge),
)

ALLOWED = GATEWAY

REFUSED = GATEWAY.replace("shop.example.com", '"*.example.com"')
