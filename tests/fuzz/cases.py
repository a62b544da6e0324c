"""A case: config entries, and requests to ask under them; what the model says to each, and how cases are kept."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from posture.model.access import Access, Arrival, Decision, Request
from posture.model.entries import Entry, Kind
from tests.fuzz.tokens import Token

__all__ = ["DEFAULTS", "GATEWAY", "PROTOCOLS", "VISITOR", "Answer", "Ask", "Case", "Disagreement", "expected"]

GATEWAY, VISITOR = "gateway", "visitor"

PROTOCOLS = {"web": "http", "api": "http", "db": "http", "cache": "tcp"}
"""The services of the application, each a destination and a source."""

DEFAULTS = tuple(Entry(Kind.SERVICE_DEFAULTS, name, {"Protocol": protocol}) for name, protocol in PROTOCOLS.items())


@dataclass(frozen=True)
class Ask:
    """A request as it is written to the connection: header lines in order, their names as they are.

    One whose ``source`` is `VISITOR` comes to the gateway, and where that leads it shows; others come straight to the
    destination's sidecar. ``tokens`` are borne beside the headers.
    """

    source: str | None
    destination: str
    method: str
    path: str
    headers: tuple[tuple[str, str], ...] = ()
    tokens: tuple[Token, ...] = ()

    @property
    def visits(self) -> bool:
        return self.source == VISITOR

    @property
    def lines(self) -> tuple[tuple[str, str], ...]:
        """With the host that HTTP wants."""
        named = any(name.lower() == "host" for name, _ in self.headers)
        return self.headers if named else (("Host", self.destination), *self.headers)

    @property
    def request(self) -> Request:
        """As the model takes it."""
        return Request(self.source, self.destination, self.method, self.path, self._joined(), self._good())

    @property
    def arrival(self) -> Arrival:
        """Likewise, for a visitor."""
        headers = self._joined()
        host = headers.pop("host")
        return Arrival(GATEWAY, self.method, self.path, headers, host, tokens=self._good())

    def _good(self) -> frozenset[str]:
        return frozenset(token.provider for token in self.tokens if token.good)

    def _joined(self) -> dict[str, str]:
        """Several lines of one header are one, with commas."""
        headers: dict[str, str] = {}
        for name, value in self.lines:
            key = name.lower()
            headers[key] = f"{headers[key]},{value}" if key in headers else value
        return headers


@dataclass(frozen=True)
class Answer:
    """What a proxy answered, or what the model says that it will.

    ``status`` is None where the connection ended without an answer; ``target`` is what the application got, and
    ``service`` which application that is, for a visitor.
    """

    status: int | None
    target: str | None = None
    service: str | None = None


@dataclass(frozen=True)
class Case:
    entries: tuple[Entry, ...]
    asks: tuple[Ask, ...]

    @property
    def json(self) -> dict[str, Any]:
        return {
            "entries": [{"kind": str(entry.kind), "name": entry.name, **entry.body} for entry in self.entries],
            "asks": [asdict(ask) for ask in self.asks],
        }

    @classmethod
    def from_json(cls, found: dict[str, Any]) -> Case:
        bodies = [dict(entry) for entry in found["entries"]]
        return cls(
            tuple(Entry(Kind(body.pop("kind")), body.pop("name"), body) for body in bodies),
            tuple(
                Ask(
                    **{
                        **ask,
                        "headers": tuple((k, v) for k, v in ask["headers"]),
                        "tokens": tuple(Token(*token) for token in ask.get("tokens", ())),
                    }
                )
                for ask in found["asks"]
            ),
        )

    def about(self, ask: Ask) -> Case:
        """One request, with those entries alone that have a say on it; on a visitor's all may have."""
        if ask.visits:
            return Case(self.entries, (ask,))
        named = {"mesh", "*", ask.destination}
        return Case(tuple(entry for entry in self.entries if entry.name in named), (ask,))


class Disagreement(AssertionError):  # noqa: N818 - it is the find, not a mistake
    """A request to which Envoy's answer is not the model's; ``case`` has that request alone."""

    def __init__(self, case: Case, model: Answer, envoy: Answer) -> None:
        self.case, self.model, self.envoy = case, model, envoy
        super().__init__(json.dumps(self.json, indent=1))

    def is_like(self, other: Disagreement | None) -> bool:
        """Whether another is this one made smaller, and not another fault that was come upon on the way."""
        return other is not None and (self.model.status, self.envoy.status) == (other.model.status, other.envoy.status)

    @property
    def json(self) -> dict[str, Any]:
        return {**self.case.json, "model": asdict(self.model), "envoy": asdict(self.envoy)}


def expected(access: Access, ask: Ask) -> Answer:
    """The model's answer in the terms of a connection."""
    if ask.visits:
        return _let_in(access, ask)
    decision = access.decide(ask.request)
    if PROTOCOLS[ask.destination] == "tcp":  # no proxy touches what is sent, nor answers in its place
        return Answer(200, ask.path) if decision.allowed else Answer(None)
    if not decision.allowed:
        return Answer(decision.status)
    facts = access.facts(ask.request)
    return Answer(decision.status, getattr(facts, "target", None))


def _let_in(access: Access, ask: Ask) -> Answer:
    """Through the gateway to the service that it leads to."""
    passage = access._routes.pass_on(ask.arrival)
    if isinstance(passage, Decision):
        return Answer(passage.status)
    (service,) = passage.destinations
    decision = access.enter(ask.arrival, service)
    if not decision.allowed:
        return Answer(decision.status)
    facts = access.facts(Request(GATEWAY, service, ask.method, passage.path, passage.headers))
    return Answer(decision.status, getattr(facts, "target", None), service)
