"""No way into the mesh that rules say nothing about."""

from collections.abc import Iterator

from policies.examples import ENTRANCE, GATEWAY
from policies.rule import Level, Problem, Rule, about
from policies.view import ForeignEntry

_UNJUDGED = {"ingress-gateway", "tcp-route"}
"""Kinds that lead in from outside (agent/structs of Consul 1.22.7) beside `api-gateway` and `http-route`."""


def judge(entry: ForeignEntry) -> Iterator[Problem]:
    if entry.kind in _UNJUDGED:
        yield Problem("is a way in whose TLS, hostnames, grants and limits no rule judges")


RULE = Rule(
    id="CP306",
    title="Every way in is one that rules judge",
    level=Level.MANDATORY,
    why="What rules say of gateways holds for API gateways and their http routes; beside them the mesh may be open.",
    mend="Use an api-gateway with an http-route, or suppress this for the resource once somebody has judged it.",
    judge=about(ForeignEntry, judge),
)

ALLOWED = f"{GATEWAY}---{ENTRANCE}"

REFUSED = """
Kind: ingress-gateway
Name: ingress
Listeners: [{Port: 8080, Protocol: http, Services: [{Name: "*"}]}]
"""
