"""A limit limits."""

from collections.abc import Iterator

from policies.examples import ENTRANCE
from policies.rule import Level, Problem, Rule, about
from posture.model.entries import Entry, Kind

_UPSTREAM = ("MaxConnections", "MaxPendingRequests", "MaxConcurrentRequests")


def judge(entry: Entry) -> Iterator[Problem]:
    if entry.kind != Kind.SERVICE_DEFAULTS:
        return
    limit = entry.body.get("MaxInboundConnections")
    if _is_none(limit):
        yield Problem(f"MaxInboundConnections is {limit}, which limits nothing", ("MaxInboundConnections",))
    limits = (((entry.body.get("UpstreamConfig") or {}).get("Defaults")) or {}).get("Limits") or {}
    for field in _UPSTREAM:
        if _is_none(limits.get(field)):
            words = f"{field} is {limits[field]}, which is no limit"
            yield Problem(words, ("UpstreamConfig", "Defaults", "Limits", field))


def _is_none(limit: object) -> bool:
    return limit is not None and (not isinstance(limit, int) or isinstance(limit, bool) or limit < 1)


RULE = Rule(
    id="CP401",
    title="A limit is a positive number",
    level=Level.MANDATORY,
    why="Consul takes 0 for 'no limit', so that a typing error takes a limit away.",
    mend="Write the number of connections or requests, or leave the field out.",
    judge=about(Entry, judge),
)

ALLOWED = ENTRANCE

REFUSED = ENTRANCE.replace("1000", "0")
