"""TLS 1.2 or newer, in and out; 1.3 is newer."""

from collections.abc import Iterator

from policies.examples import MESH
from policies.rule import Level, Problem, Rule, about
from posture.model.entry import Entry, Kind

_ENOUGH = {"TLSv1_2", "TLSv1_3"}


def judge(entry: Entry) -> Iterator[Problem]:
    if entry.kind == Kind.MESH:
        tls = entry.body.get("TLS") or {}
        for direction in ("Incoming", "Outgoing"):
            floor = (tls.get(direction) or {}).get("TLSMinVersion")
            if floor not in _ENOUGH:
                words = f"{direction.lower()} connections may use {floor or 'whatever Envoy takes'}"
                yield Problem(f"{words}; the least is TLSv1_2", ("TLS", direction, "TLSMinVersion"))
    if entry.kind == Kind.API_GATEWAY:
        for i, listener in enumerate(entry.body.get("Listeners") or ()):
            floor = (listener.get("TLS") or {}).get("MinVersion") or "TLSv1_2"
            if floor not in _ENOUGH:
                place = ("Listeners", i, "TLS", "MinVersion")
                yield Problem(f"listener {listener.get('Name', i)} takes {floor}; the least is TLSv1_2", place)


RULE = Rule(
    id="CP102",
    title="TLS 1.2 is the least, for incoming and outgoing connections",
    level=Level.MANDATORY,
    why="TLS 1.0 and 1.1 are broken, and a floor that is written nowhere is whatever the next Envoy thinks it is.",
    mend="Set TLSMinVersion to TLSv1_2 or TLSv1_3, both under TLS.Incoming and TLS.Outgoing of the mesh entry.",
    judge=about(Entry, judge),
)

ALLOWED = MESH

REFUSED = MESH.replace("{TLSMinVersion: TLSv1_2}", "{TLSMinVersion: TLSv1_1}", 1)
