"""Paths are normalised before rules see them."""

from collections.abc import Iterator

from policies.examples import MESH
from policies.rule import Level, Problem, Rule, about
from posture.model.entry import Entry, Kind

_PLACE = ("HTTP", "Incoming", "RequestNormalization")
_WANTED = {
    "InsecureDisablePathNormalization": (False, "paths are not normalised"),
    "MergeSlashes": (True, "'//admin' is not '/admin'"),
    "PathWithEscapedSlashesAction": ("REJECT_REQUEST", "'/details/..%2fadmin' passes a rule for /details/"),
    "HeadersWithUnderscoresAction": ("REJECT_REQUEST", "'x_role' may reach an application as 'x-role'"),
}


def judge(entry: Entry) -> Iterator[Problem]:
    if entry.kind != Kind.MESH:
        return
    rules = ((entry.body.get("HTTP") or {}).get("Incoming") or {}).get("RequestNormalization") or {}
    for field, (wanted, otherwise) in _WANTED.items():
        if rules.get(field, False) != wanted:
            yield Problem(f"{field} is {_said(rules.get(field))}: {otherwise}", (*_PLACE, field))


def _said(value: object) -> str:
    return "not set" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


RULE = Rule(
    id="CP201",
    title="Requests are normalised before rules see them",
    level=Level.MANDATORY,
    why="A rule about a path is only as good as the path it is shown; the application may read another one.",
    mend="Set MergeSlashes to true, and both actions to REJECT_REQUEST, under HTTP.Incoming.RequestNormalization.",
    judge=about(Entry, judge),
)

ALLOWED = MESH

REFUSED = MESH.replace("REJECT_REQUEST", "KEEP_UNCHANGED", 1)
