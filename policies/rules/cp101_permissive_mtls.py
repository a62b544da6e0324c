"""No mutual TLS that is optional."""

from collections.abc import Iterator

from policies.rule import Level, Problem, Rule, about
from posture.model.entry import Entry, Kind


def judge(entry: Entry) -> Iterator[Problem]:
    if entry.kind in {Kind.PROXY_DEFAULTS, Kind.SERVICE_DEFAULTS} and entry.body.get("MutualTLSMode") == "permissive":
        yield Problem("takes plaintext from anyone, past all intentions", ("MutualTLSMode",))
    if entry.kind == Kind.MESH and entry.body.get("AllowEnablingPermissiveMutualTLS"):
        yield Problem("lets services be set to take plaintext", ("AllowEnablingPermissiveMutualTLS",))


RULE = Rule(
    id="CP101",
    title="Mutual TLS is never permissive",
    level=Level.MANDATORY,
    why="A sidecar in permissive mode passes plaintext on without asking any intention.",
    mend="Set MutualTLSMode to strict, and AllowEnablingPermissiveMutualTLS to false.",
    judge=about(Entry, judge),
)

ALLOWED = """
Kind: service-defaults
Name: details
Protocol: http
MutualTLSMode: strict
"""

REFUSED = """
Kind: service-defaults
Name: details
Protocol: http
MutualTLSMode: permissive
"""
