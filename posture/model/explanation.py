"""Why a request is allowed or denied: the rule that decides, and the rule that came nearest to deciding otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from posture.model.access import Arrival, Request
from posture.model.intentions import ANYONE
from posture.model.limit_words import limits_at, limits_towards
from posture.model.paths import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from posture.model.access import Access
    from posture.model.intentions import Decision, Rule

__all__ = ["Explanation", "Nearest", "explain", "explain_entrance"]


class Nearest(NamedTuple):
    """A rule that would have decided otherwise but for ``differs``, the conditions that the request fails.

    Without any, it matches the request and the deciding rule comes before it.
    """

    rule: str
    words: str
    differs: tuple[str, ...]


@dataclass(frozen=True)
class Explanation:
    """A request, its decision, and the nearest rule; there is none where no rule could have decided otherwise."""

    source: str
    destination: str
    method: str
    path: str
    decision: Decision
    nearest: Nearest | None
    limits: tuple[str, ...] = ()
    """In words, those that it meets on its way if it is allowed."""


def explain(access: Access, request: Request) -> Explanation:
    """Explain the answer of a destination's sidecar."""
    decision = access.decide(request)
    nearest = min(_candidates(access, request, decision), key=lambda each: len(each.differs), default=None)
    source = request.source or "outside"
    limits = _limits(access, request) if decision.allowed else ()
    return Explanation(source, request.destination, request.method, request.path, decision, nearest, limits)


def explain_entrance(access: Access, arrival: Arrival, destination: str) -> Explanation:
    """Explain the answer to a request that comes through a gateway; if that has no route for it, the nearest route."""
    decision = access.enter(arrival, destination)
    if decision.rule.startswith("service-intentions") or decision.rule.startswith("default policy"):
        request = Request(arrival.gateway, destination, arrival.method, arrival.path, arrival.headers, arrival.tokens)
        nearest = min(_candidates(access, request, decision), key=lambda each: len(each.differs), default=None)
    else:
        routes = (
            Nearest(route, f"leads to {destination}", tuple(why)) for route, why in access.near(arrival, destination)
        )
        nearest = min(routes, key=lambda each: len(each.differs), default=None)
    limits: tuple[str, ...] = ()
    if decision.allowed:
        path = arrival.path.partition("?")[0]
        onward = Request(arrival.gateway, destination, arrival.method, arrival.path, arrival.headers)
        here = limits_at(arrival.gateway, access.limits.get(arrival.gateway), arrival.method, path)
        limits = (*here, *_limits(access, onward))
    return Explanation(arrival.gateway, destination, arrival.method, arrival.path, decision, nearest, limits)


def _limits(access: Access, request: Request) -> tuple[str, ...]:
    """Those of the caller's proxy towards the destination, then the destination's own."""
    facts = access.facts(request)
    path = request.path if isinstance(facts, Refusal) else facts.path
    source, destination = request.source or "", request.destination
    return (
        *limits_towards(source, access.limits.get(source), destination),
        *limits_at(destination, access.limits.get(destination), request.method, path),
    )


def _candidates(access: Access, request: Request, decision: Decision) -> Iterator[Nearest]:
    """The rules with another answer, those of the request's own source first, then the default policy."""
    destination = request.destination
    if request.source is None or access.permissive(destination):
        return
    http = access.is_http(destination)
    facts = access.facts(request) if http else None
    if isinstance(facts, Refusal):
        return
    found = access.intentions.of(destination, http=http).values()
    for intention in sorted(found, key=lambda each: (each.source != request.source, each.source != ANYONE)):
        for rule in intention.rules:
            if rule.allows is not decision.allowed:
                differs = [] if rule.source in {ANYONE, request.source} else [f"source {rule.source}"]
                if facts:
                    differs += [condition.words for condition in rule.conditions if not condition.holds(facts)]
                yield Nearest(rule.name, rule.words, (*differs, *_lacking(rule, request)))
    if (access.default == "allow") is not decision.allowed:
        yield Nearest(f"default policy {access.default}", "decides where no rule matches", ())


def _lacking(rule: Rule, request: Request) -> list[str]:
    return [f"a token of {' or '.join(sorted(names))}" for names in rule.providers if not names & request.tokens]
