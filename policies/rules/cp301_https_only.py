"""The way in is HTTPS."""

from collections.abc import Iterator

from policies.examples import GATEWAY
from policies.rule import Level, Problem, Rule, about
from posture.model.entry import Entry, Kind


def judge(entry: Entry) -> Iterator[Problem]:
    if entry.kind != Kind.API_GATEWAY:
        return
    for i, listener in enumerate(entry.body.get("Listeners") or ()):
        if not (listener.get("TLS") or {}).get("Certificates"):
            words = f"listener {listener.get('Name', i)} on port {listener.get('Port')} has no certificate"
            yield Problem(words, ("Listeners", i))


RULE = Rule(
    id="CP301",
    title="A gateway's listeners serve TLS",
    level=Level.MANDATORY,
    why="What comes in as plaintext can be read and changed on its way to the mesh.",
    mend="Give the listener TLS.Certificates, or remove it.",
    judge=about(Entry, judge),
)

ALLOWED = GATEWAY

REFUSED = """
Kind: api-gateway
Name: gateway
Listeners:
  - {Name: plain, Hostname: shop.example.com, Port: 8080, Protocol: http}
"""
