"""Limits on a service: how many connections, how many requests a second, and how hard it may lean on others.

Each is for one instance of the service. What they compile to is in `limit_fields`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, NoReturn, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic.json_schema import SkipJsonSchema

from posture.model.application import Method, Name, UrlPath
from posture.model.document import nearest
from posture.model.shape import Shape

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from posture.model.application import Application
    from posture.model.document import Document

__all__ = [
    "KnownPath",
    "Limit",
    "PassiveHealthCheck",
    "Rate",
    "RouteRates",
    "UpstreamLimits",
    "check_limits",
    "in_force",
]

AtLeastOne = Annotated[int, Field(ge=1, le=1_000_000)]
PerSecond = Annotated[float, Field(ge=0.01, le=1_000_000, allow_inf_nan=False)]
_PATH_REGEX = "'pathRegex' of a rate is a field of Consul Enterprise; write pathExact or pathPrefix"
_RATE_LIMITS = "'rateLimits' is a field of Consul Enterprise; write requestsPerSecond, which works on any edition"


def _of_enterprise(words: str) -> AfterValidator:
    def refuse(_: object) -> NoReturn:
        raise ValueError(words)

    return AfterValidator(refuse)


OfEnterprise = SkipJsonSchema[Any]
"""A field of Consul Enterprise that somebody may look for here."""


class Rate(Shape):
    """Requests per second in the long run; ``burst`` of them may come at once, by default those of one second."""

    requests_per_second: PerSecond
    burst: AtLeastOne | None = None

    @property
    def capacity(self) -> int:
        """The burst, given or not."""
        return self.burst or max(1, math.ceil(self.requests_per_second))


class Rates(Shape):
    """What limits the same requests: all of them together, each caller by itself, or both."""

    requests_per_second: PerSecond | None = None
    burst: AtLeastOne | None = None
    per_caller: Rate | None = None
    """For each caller by itself, told by the SPIFFE ID of its certificate."""

    @model_validator(mode="after")
    def _burst_has_a_rate(self) -> Self:
        if self.burst and self.requests_per_second is None:
            raise ValueError("'burst' needs 'requestsPerSecond'; add it")
        return self

    @property
    def whole(self) -> Rate | None:
        """The rate of all requests together."""
        if self.requests_per_second is None:
            return None
        return Rate.model_construct(requests_per_second=self.requests_per_second, burst=self.burst)


class RouteRates(Rates):
    """Rates of some of a service's requests: a path, methods or both. The first route that matches counts."""

    path_exact: UrlPath | None = None
    path_prefix: UrlPath | None = None
    path_regex: Annotated[OfEnterprise, _of_enterprise(_PATH_REGEX)] = None
    methods: Annotated[tuple[Method, ...], Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _is_a_route(self) -> Self:
        if self.path_exact and self.path_prefix:
            raise ValueError("a route has one of pathExact and pathPrefix; keep one")
        if not (self.path_exact or self.path_prefix or self.methods):
            raise ValueError("a route needs a path or methods; or write requestsPerSecond for the whole service")
        if self.methods and len(set(self.methods)) < len(self.methods):
            raise ValueError("'methods' names one twice; remove it")
        if not (self.whole or self.per_caller):
            raise ValueError("a route without a rate limits nothing; add requestsPerSecond or perCaller")
        return self


class PassiveHealthCheck(Shape):
    """Leaves out an instance that failed ``max_failures`` times in a row (5xx, no connection); times are seconds.

    It is left out at once, for ``base_ejection_time`` times the number of times that it was; each ``interval`` Envoy
    looks who may come back. Never are more than ``max_ejection_percent`` of the instances left out: by Envoy's own
    default, 10, none of fewer than ten would be.
    """

    max_failures: AtLeastOne
    interval: AtLeastOne = 10
    base_ejection_time: AtLeastOne = 30
    max_ejection_percent: Annotated[int, Field(ge=1, le=100)] = 50


class UpstreamLimits(Shape):
    """What a service's own proxy holds back from one that it calls: beyond these it answers 503 by itself."""

    max_connections: AtLeastOne | None = None
    max_pending_requests: AtLeastOne | None = None
    max_concurrent_requests: AtLeastOne | None = None
    passive_health_check: PassiveHealthCheck | None = None

    @model_validator(mode="after")
    def _limits_something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("an upstream's limits that say nothing limit nothing; name one, or remove them")
        return self


class Limit(Rates):
    """What limits one service, or what enters at the gateway. ``on`` is whom; without it, the limit's own name."""

    on: Name | None = None
    description: str = ""
    max_inbound_connections: AtLeastOne | None = None
    """Connections at once. Beyond them it is 503; idle ones count."""
    routes: Annotated[tuple[RouteRates, ...], Field(min_length=1)] | None = None
    upstreams: Annotated[dict[Name, UpstreamLimits], Field(min_length=1)] | None = None
    rate_limits: Annotated[OfEnterprise, _of_enterprise(_RATE_LIMITS)] = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        matches = [(route.path_exact, route.path_prefix, frozenset(route.methods or ())) for route in self.routes or ()]
        if len(set(matches)) < len(matches):
            raise ValueError("two routes match the same requests, and the second would never count; remove it")
        if not self.model_fields_set - {"on", "description"}:
            raise ValueError("a limit that says nothing limits nothing; name one, or remove it")
        return self

    @property
    def has_rates(self) -> bool:
        """Whether any rate is limited."""
        return bool(self.whole or self.per_caller or self.routes)


class KnownPath(NamedTuple):
    """A path, or all that begin with it."""

    text: str
    prefix: bool = False


def in_force(limits: Mapping[str, Limit]) -> dict[str, Limit]:
    """The limit on each service by the service's name: of several the last one, which stands for all of them."""
    return {limit.on or name: limit for name, limit in limits.items()}


def check_limits(
    application: Application,
    limits: Mapping[str, Limit],
    granted: Mapping[str, Collection[KnownPath]],
    document: Document,
) -> None:
    """Refuse limits that can't be: on nobody, on what has no requests, on routes that no service serves.

    ``granted`` are the paths that grants speak of, by service, beside those that the application itself declares.

    Raises:
        InputError: The first, by file and line.
    """
    services, gateway = application.services, application.gateway.name
    for name, limit in limits.items():
        on = limit.on or name
        if on not in {*services, gateway}:
            place = ("on",) if limit.on else ()
            document.fail(f"no service '{on}'; {nearest(on, [*services, gateway])}", "limits", name, *place)
        _check_fields(limit, gateway == on, application, document, name)
        served = {*_declared(application, on), *granted.get(on, ())}
        for i, route in enumerate(limit.routes or ()):
            path = route.path_exact or route.path_prefix
            if path and not any(_meets(route, each) for each in served):
                known = nearest(path, {each.text for each in served})
                document.fail(f"nothing of '{on}' is known at '{path}'; {known}", "limits", name, "routes", i)
        callees = {call.to for call in services[on].calls} if on in services else set()
        for upstream in limit.upstreams or ():
            if upstream not in callees:
                words = f"{on} doesn't call '{upstream}'; {nearest(upstream, callees)}"
                document.fail(words, "limits", name, "upstreams", upstream)


_OF_REQUESTS = {"requests_per_second": "requestsPerSecond", "per_caller": "perCaller", "routes": "routes"}
_OF_SERVICES = {"max_inbound_connections": "maxInboundConnections", "per_caller": "perCaller", "upstreams": "upstreams"}


def _check_fields(limit: Limit, gateway: bool, application: Application, document: Document, name: str) -> None:  # noqa: FBT001
    on = limit.on or name
    if gateway:
        why = "the gateway limits the rate of all that enters, and knows no callers; put it on a service"
        wrong = _OF_SERVICES
    elif application.services[on].protocol != "http":
        why = f"'{on}' is a tcp service, which has no requests; limit its maxInboundConnections"
        wrong = _OF_REQUESTS
    else:
        return
    for field, key in wrong.items():
        if getattr(limit, field) is not None:
            document.fail(f"'{key}' can't be here: {why}", "limits", name, key)
    for i, route in enumerate(limit.routes or ()):
        if gateway and route.per_caller:
            document.fail(f"'perCaller' can't be here: {why}", "limits", name, "routes", i, "perCaller")


def _declared(application: Application, on: str) -> Iterator[KnownPath]:
    """The paths of a service, or of the gateway, that the application speaks of."""
    gateway = application.gateway
    for route in gateway.routes:
        if on in {route.to, gateway.name}:
            yield KnownPath(route.path, prefix=route.exact is None)
    for callers in (application.services, application.clients):
        for caller in callers.values():
            yield from (KnownPath(call.path) for call in caller.calls if call.to == on)


def _meets(route: RouteRates, known: KnownPath) -> bool:
    """Whether some path may be both."""
    if route.path_exact:
        return route.path_exact.startswith(known.text) if known.prefix else route.path_exact == known.text
    prefix = route.path_prefix or ""
    return known.text.startswith(prefix) or (known.prefix and prefix.startswith(known.text))
