"""No mutual TLS that is optional, and no way past it."""

from collections.abc import Iterator

from policies.rule import Level, Problem, Rule, about
from posture.model.entry import Entry, Kind


def judge(entry: Entry) -> Iterator[Problem]:
    if entry.kind in {Kind.PROXY_DEFAULTS, Kind.SERVICE_DEFAULTS}:
        if entry.body.get("MutualTLSMode") == "permissive":
            yield Problem("takes plaintext from anyone, past all intentions", ("MutualTLSMode",))
        exposed = entry.body.get("Expose") or {}
        for field in ("Checks", "Paths"):
            if exposed.get(field):
                yield Problem(f"opens a listener in plaintext, past all intentions: {field}", ("Expose", field))
    if entry.kind == Kind.MESH and entry.body.get("AllowEnablingPermissiveMutualTLS"):
        yield Problem("lets services be set to take plaintext", ("AllowEnablingPermissiveMutualTLS",))


RULE = Rule(
    id="CP101",
    title="Nothing gets past mutual TLS in plaintext",
    level=Level.MANDATORY,
    why="A sidecar in permissive mode, or a listener of Expose, passes plaintext on without asking any intention.",
    mend="Set MutualTLSMode to strict and AllowEnablingPermissiveMutualTLS to false, and expose no Checks or Paths.",
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
