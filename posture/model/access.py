"""Is a request allowed, and by which rule? The one interpreter of intentions; all who ask "who may call whom" ask here.

It answers as the proxies do that Consul 1.22 configures, over any list of entries: see `intentions`, `conditions`,
`paths` and `routes` for what was read in the sources and measured.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from posture.model.conditions import Facts
from posture.model.entry import Kind
from posture.model.headers import NOTHING_SENT, NOTHING_SENT_SANITIZED, as_rules_see
from posture.model.intentions import Decision, Intentions
from posture.model.paths import METHODS, Normalization, Refusal
from posture.model.routes import Arrival, Routes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from posture.model.entry import Entry
    from posture.model.intentions import Intention
    from posture.model.limits import Limit

__all__ = ["Access", "Arrival", "Decision", "Request", "decide"]

NO_HEADERS: Mapping[str, str] = {}
_NOTHING = Facts("", "", "", NO_HEADERS)
_GRPC = "grpc"
_HTTP = frozenset({"http", "http2", _GRPC})
_REFUSED = "mesh/mesh HTTP.Incoming"


class _Plan(NamedTuple):
    """How to answer one source about one destination, worked out once."""

    http: bool
    intentions: tuple[Intention, ...]
    settled: Decision | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """A request to a destination's sidecar.

    ``source`` is the service that the caller's certificate names, None for a caller without a certificate of the mesh.
    ``path`` may have a query. Several values of one header are joined by a comma; `host` is a header like others, and
    the destination's name where it isn't given, for HTTP wants one.
    ``tokens`` names the JWT providers of which it bears a valid token with the right claims.
    """

    source: str | None
    destination: str
    method: str = "GET"
    path: str = "/"
    headers: Mapping[str, str] = field(default_factory=lambda: NO_HEADERS)
    tokens: frozenset[str] = frozenset()


class Access:
    """An index over config entries that answers in microseconds; ``default`` is Consul's default intention policy.

    Raises:
        InputError: On the first question about a destination one of whose rules the proxy would refuse.
    """

    def __init__(self, entries: Iterable[Entry], *, default: str = "deny") -> None:
        self.entries = tuple(entries)
        self.default = default
        self.intentions = Intentions(self.entries)
        bodies = {(entry.kind, entry.name): entry.body for entry in self.entries}
        self._proxy_defaults = bodies.get((Kind.PROXY_DEFAULTS, "global"), {})
        self._defaults = {name: body for (kind, name), body in bodies.items() if kind == Kind.SERVICE_DEFAULTS}
        mesh = bodies.get((Kind.MESH, "mesh"), {})
        self._normalization = Normalization.of_mesh(mesh)
        self._sanitizes = bool((mesh.get("HTTP") or {}).get("SanitizeXForwardedClientCert"))
        self._routes = Routes(self.entries)
        self._allow = default == "allow"
        words = "no rule matches"
        self._by_default = Decision(self._allow, f"default policy {default}", words, 200 if self._allow else 403)
        self._plans: dict[str, dict[str | None, _Plan]] = {}
        self._unadorned: dict[str, Mapping[str, str]] = {}

    def decide(self, request: Request) -> Decision:
        """Whether the destination's sidecar lets a request through."""
        plan = self._plan_of(request.source, request.destination)
        if plan.settled:
            return plan.settled
        return self._decided(plan, self.facts(request) if plan.http else _NOTHING, request.tokens)

    def decide_each(self, sources: Iterable[str], request: Request) -> dict[str, Decision]:
        """The same for several callers that make one request, whose own source doesn't count."""
        facts = self.facts(request) if self.is_http(request.destination) else _NOTHING
        plans = ((source, self._plan_of(source, request.destination)) for source in sources)
        return {source: plan.settled or self._decided(plan, facts, request.tokens) for source, plan in plans}

    def enter(self, arrival: Arrival, destination: str) -> Decision:
        """Whether a request that comes from outside reaches a destination by way of an API gateway.

        The gateway's routes come first, then the intentions for the gateway's own identity.
        """
        passage = self._routes.pass_on(arrival)
        if isinstance(passage, Decision):
            return passage
        if destination not in passage.destinations:
            why = f"leads to {', '.join(passage.destinations)} instead"
            return Decision(allowed=False, rule=passage.route, why=why, status=404)
        onward = Request(passage.gateway, destination, arrival.method, passage.path, passage.headers, arrival.tokens)
        return self.decide(onward)

    def near(self, arrival: Arrival, destination: str) -> Iterator[tuple[str, list[str]]]:
        """A gateway's matches that lead to a destination, each with the conditions that a request fails."""
        return self._routes.near(arrival, destination)

    def facts(self, request: Request) -> Facts | Refusal:
        """The request as the rules of an http service see it."""
        if request.method not in METHODS:
            return Refusal(400, f"a method that the proxy doesn't know: {request.method}")
        sent = self._normalization.headers(request.headers) if request.headers else NO_HEADERS
        sanitized = self._sanitizes or self._protocol(request.destination) == _GRPC  # agent/xds/listeners.go of 1.22.7
        headers = sent if isinstance(sent, Refusal) else as_rules_see(sent, request.path, sanitized=sanitized)
        if isinstance(headers, Refusal) and headers.status == 400:  # noqa: PLR2004 - found out while reading
            return headers
        target = self._normalization.target(request.path)
        if isinstance(target, Refusal):
            return target
        if isinstance(headers, Refusal):
            return headers
        if "host" not in headers:
            headers = self._with_host(headers, request.destination)
        return Facts(request.method, target.partition("?")[0], target, headers)

    def _with_host(self, headers: Mapping[str, str], destination: str) -> Mapping[str, str]:
        if headers is not NOTHING_SENT and headers is not NOTHING_SENT_SANITIZED:
            return {**headers, "host": destination}
        found = self._unadorned.get(destination)
        if found is None:
            found = self._unadorned[destination] = {**headers, "host": destination}
        return found

    def is_http(self, destination: str) -> bool:
        """Whether a service's protocol has paths and methods; without a protocol it is tcp.

        Consul takes it in lower case: a service's own when it keeps the entry (`ServiceConfigEntry.Normalize`), and
        either when it makes the proxy's configuration (agent/xds/config/config.go of 1.22.7).
        """
        return self._protocol(destination) in _HTTP

    def _protocol(self, destination: str) -> str:
        protocol = self._defaults.get(destination, {}).get("Protocol")
        protocol = protocol or (self._proxy_defaults.get("Config") or {}).get("protocol")
        return protocol.lower() if isinstance(protocol, str) else ""

    def named_sources(self, destination: str) -> frozenset[str]:
        """The sources that have a rule of their own, as it is written: one may be a pattern (see `intentions`).

        To all whom none of them names the destination gives the same answers.
        """
        return frozenset(self.intentions.of(destination, http=self.is_http(destination))) - {"*"}

    def connection_limit(self, destination: str) -> int | None:
        """How many connections at once each instance of a service takes, if that is limited."""
        return self._defaults.get(destination, {}).get("MaxInboundConnections") or None

    @cached_property
    def limits(self) -> Mapping[str, Limit]:
        """What limits each service, and what enters at the gateway, by name; those without a limit are left out."""
        from posture.model.limit_reading import limit_of  # noqa: PLC0415 - loads pydantic's models, for this alone

        found = {name: limit_of(body) for name, body in self._defaults.items()}
        return {name: limit for name, limit in found.items() if limit}

    def permissive(self, destination: str) -> str | None:
        """The entry that lets plaintext past the rules to a destination.

        It does so where proxies are transparent. The mesh's `AllowEnablingPermissiveMutualTLS` only keeps the mode from
        being *set*; a service that has it keeps it (Consul's `checkMutualTLSMode`), so that is no condition here.
        """
        of_service = self._defaults.get(destination, {}).get("MutualTLSMode")
        mode = of_service or self._proxy_defaults.get("MutualTLSMode")
        entry = f"{Kind.SERVICE_DEFAULTS}/{destination}" if of_service else f"{Kind.PROXY_DEFAULTS}/global"
        return entry if mode == "permissive" else None

    def _decided(self, plan: _Plan, facts: Facts | Refusal, tokens: frozenset[str]) -> Decision:
        if isinstance(facts, Refusal):
            return Decision(allowed=False, rule=_REFUSED, why=facts.why, status=facts.status)
        first = None
        for intention in plan.intentions:
            decision = intention.decide(facts, tokens, default=self._allow)
            if decision and decision.allowed is not self._allow:
                return decision
            first = first or decision
        return first or self._by_default

    def _plan_of(self, source: str | None, destination: str) -> _Plan:
        plans = self._plans.setdefault(destination, {})
        plan = plans.get(source)
        if plan is None:
            plan = plans[source] = self._plan(source, destination)
        return plan

    def _plan(self, source: str | None, destination: str) -> _Plan:
        http = self.is_http(destination)
        entry = self.permissive(destination)
        if entry:
            why = "plaintext from anyone goes past all rules"
            return _Plan(
                http, (), Decision(allowed=True, rule=f"{entry} MutualTLSMode permissive", why=why, status=200)
            )
        if source is None:
            why = "a caller needs a certificate of the mesh"
            return _Plan(http, (), Decision(allowed=False, rule="mutual TLS", why=why, status=None))
        return _Plan(http, tuple(self.intentions.deciding(source, destination, http=http)))


def decide(entries: Iterable[Entry], request: Request, *, default: str = "deny") -> Decision:
    """Whether entries allow a request. For many requests make one `Access` instead."""
    return Access(entries, default=default).decide(request)
