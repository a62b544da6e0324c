"""What strangers can reach takes only so much."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from policies.examples import ENTRANCE
from policies.rule import Level, Options, Problem, Rule
from policies.view import Stack
from posture.model.entry import Kind

if TYPE_CHECKING:
    from posture.model.limits import Limit

_LIMITER = "builtin/http/localratelimit"


def judge(stack: Stack, _options: Options) -> Iterator[Problem]:
    defaults = {entry.name: (resource, entry.body) for resource, entry in stack.entries(Kind.SERVICE_DEFAULTS)}
    limited = {name for name, (_, body) in defaults.items() if _has_rate(body) or _limits_connections(body)}
    gateways = {name for name in stack.gateways if name in defaults and _has_rate(defaults[name][1])}
    for service, route in stack.edge_services.items():
        if service not in limited and stack.entrances[service] - gateways:
            words = "can be reached from outside, and nothing limits how hard"
            if service in defaults:
                yield Problem(words, on=defaults[service][0])
            else:
                yield Problem(f"leads to {service}, which {words}", on=route)


def _limit(body: Mapping[str, Any]) -> Limit | None:
    from posture.model.limit_reading import limit_of  # noqa: PLC0415 - loads pydantic's models, for this alone

    return limit_of(body)


def _has_rate(body: Mapping[str, Any]) -> bool:
    limit = _limit(body)
    extensions = body.get("EnvoyExtensions") or ()
    return bool(limit and limit.has_rates) or any(each["Name"] == _LIMITER for each in extensions)


def _limits_connections(body: Mapping[str, Any]) -> bool:
    """Of a service; Consul has no such limit for gateways."""
    limit = _limit(body)
    return bool(limit and limit.max_inbound_connections)


RULE = Rule(
    id="CP402",
    title="A service that can be reached from outside has a limit",
    level=Level.ADVISORY,
    why="One visitor can use up what all others need, and what stands behind it.",
    mend="Limit the service, or the gateway that leads to it, such as by requestsPerSecond.",
    judge_stack=judge,
)

ALLOWED = ENTRANCE

REFUSED = ENTRANCE.replace("MaxInboundConnections: 1000", "Protocol: http")
