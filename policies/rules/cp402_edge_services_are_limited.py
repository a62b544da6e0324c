"""What strangers can reach takes only so much."""

from collections.abc import Iterator

from policies.examples import ENTRANCE
from policies.rule import Level, Options, Problem, Rule
from policies.view import Stack
from posture.model.entries import Kind

_LIMITERS = ("builtin/lua", "builtin/http/localratelimit")


def judge(stack: Stack, _options: Options) -> Iterator[Problem]:
    limited = {
        entry.name
        for _, entry in stack.entries(Kind.SERVICE_DEFAULTS)
        if entry.body.get("MaxInboundConnections")
        or entry.body.get("RateLimits")
        or any(each.get("Name") in _LIMITERS for each in entry.body.get("EnvoyExtensions") or ())
    }
    defaults = {entry.name: resource for resource, entry in stack.entries(Kind.SERVICE_DEFAULTS)}
    for service, route in stack.edge_services.items():
        if service not in limited:
            words = "can be reached from outside, and nothing limits how hard"
            yield Problem(
                words if service in defaults else f"leads to {service}, which {words}", on=defaults.get(service, route)
            )


RULE = Rule(
    id="CP402",
    title="A service that can be reached from outside has a limit",
    level=Level.ADVISORY,
    why="One visitor can use up what all others need, and what stands behind it.",
    mend="Set limits for the service, such as maxInboundConnections.",
    judge_stack=judge,
)

ALLOWED = ENTRANCE

REFUSED = ENTRANCE.replace("MaxInboundConnections: 1000", "Protocol: http")
