"""The way in through an API gateway: listener, hostname and route decide which service gets a request.

Follows Consul's `discoverychain` (gateway.go, gateway_httproute.go of 1.22.7), measured on Envoy 1.36.4. Surprises: a
gateway matches paths as they come, for the mesh's normalisation is for sidecars; a prefix is a prefix of the text, so
`/static` takes `/staticx`; of two matches the longer *value* wins whatever its kind, then more headers, more query
parameters, then the first written, so a prefix may hide an exact path of the same length. JWT at listeners and
the weights of split services are not looked at.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from posture.model.conditions import Condition, Facts, header_condition, path_condition
from posture.model.entry import Kind
from posture.model.headers import CLIENT_CERTIFICATE
from posture.model.intentions import Decision
from posture.model.paths import AS_IT_COMES, METHODS, Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from posture.model.entry import Entry

__all__ = ["Arrival", "Passage", "Routes", "authority", "host_of"]

_PATH_KINDS = {"exact": "Exact", "prefix": "Prefix", "regex": "Regex"}
_HTTP, _HTTPS = 80, 443
_HEADER_KINDS = {**_PATH_KINDS, "suffix": "Suffix", "present": "Present"}


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request from outside; without a ``listener`` it comes to the gateway's first.

    Without a ``host`` it says what a client would: the listener's name, and its port unless it is the usual one.
    """

    gateway: str
    method: str = "GET"
    path: str = "/"
    headers: Mapping[str, str] = field(default_factory=dict)
    host: str = ""
    listener: str = ""
    tokens: frozenset[str] = frozenset()


class Passage(NamedTuple):
    """Where a gateway sends a request, and what has become of the request; more than one service shares the load."""

    gateway: str
    route: str
    destinations: tuple[str, ...]
    path: str
    headers: Mapping[str, str]


class _Match(NamedTuple):
    route: str
    weight: tuple[int, int, int]
    conditions: tuple[Condition, ...]
    kind: str
    value: str
    rule: Mapping[str, Any]


def host_of(hostname: str) -> str:
    """A name that visitors may come by: the listener's hostname, with a word for its star."""
    return hostname.replace("*", "any")


def authority(hostname: str, port: int | None, *, tls: bool) -> str:
    """What clients send as `Host` then: with the port, unless it is the usual one."""
    host = host_of(hostname)
    return host if port in {None, _HTTPS if tls else _HTTP} else f"{host}:{port}"


class Routes:
    """The gateways of a list of entries with the routes that are bound to them."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        entries = tuple(entries)
        self._gateways = {entry.name: entry.body for entry in entries if entry.kind == Kind.API_GATEWAY}
        self._routes = [entry for entry in entries if entry.kind == Kind.HTTP_ROUTE]
        self._tables: dict[tuple[str, str], dict[str, list[_Match]]] = {}

    def pass_on(self, arrival: Arrival) -> Passage | Decision:
        """Where a request goes, or the decision that it goes nowhere."""
        gateway = f"{Kind.API_GATEWAY}/{arrival.gateway}"
        listener = self._listener(arrival)
        if listener is None:
            return Decision(allowed=False, rule=gateway, why="no such listener", status=None)
        facts = self._facts(arrival, listener)
        if isinstance(facts, Refusal):
            return Decision(allowed=False, rule=gateway, why=facts.why, status=facts.status)
        host, table = _bare(facts, listener), self._table(arrival.gateway, listener)
        for match in table.get(_served_by(table, host), ()):
            if all(condition.holds(facts) for condition in match.conditions):
                return _passage(arrival.gateway, match, facts)
        why = f"no route for {arrival.method} {host}{facts.path}"
        return Decision(allowed=False, rule=f"{gateway} listener {listener.get('Name', '')}", why=why, status=404)

    def near(self, arrival: Arrival, destination: str) -> Iterator[tuple[str, list[str]]]:
        """The matches that lead to a destination, each with the words of the conditions that a request fails."""
        listener = self._listener(arrival)
        if listener is None:
            return
        facts = self._facts(arrival, listener)
        if isinstance(facts, Refusal):
            return
        table = self._table(arrival.gateway, listener)
        served = _served_by(table, _bare(facts, listener))
        for host, matches in table.items():
            other_host = [] if host == served else [f"host {host}"]
            for match in matches:
                if destination in (service["Name"] for service in match.rule.get("Services") or ()):
                    failed = [condition.words for condition in match.conditions if not condition.holds(facts)]
                    yield match.route, other_host + failed

    def _facts(self, arrival: Arrival, listener: Mapping[str, Any]) -> Facts | Refusal:
        target = AS_IT_COMES.target(arrival.path) if arrival.method in METHODS else Refusal(400, "an unknown method")
        if isinstance(target, Refusal):
            return target
        host = arrival.host or authority(_hostname(listener), listener.get("Port"), tls=bool(listener.get("TLS")))
        headers = {"host": host, **{name.lower(): value for name, value in arrival.headers.items()}}
        headers.pop(CLIENT_CERTIFICATE, None)  # a gateway's Envoy drops it whatever the mesh entry says
        return Facts(arrival.method, target.partition("?")[0], target, headers)

    def _listener(self, arrival: Arrival) -> Mapping[str, Any] | None:
        listeners = self._gateways.get(arrival.gateway, {}).get("Listeners") or ()
        names = (each for each in listeners if arrival.listener in {"", each.get("Name", "")})
        return next(names, None)

    def _table(self, gateway: str, listener: Mapping[str, Any]) -> dict[str, list[_Match]]:
        """The matches that a listener tries in turn, by hostname."""
        key = gateway, listener.get("Name", "")
        table = self._tables.get(key)
        if table is None:
            table = self._tables[key] = {}
            for route in self._routes:
                if any(_binds(parent, *key) for parent in route.body.get("Parents") or ()):
                    matches = list(_matches(route))
                    for host in _hosts(route.body.get("Hostnames") or (), _hostname(listener)):
                        table.setdefault(host, []).extend(matches)
            for matches in table.values():
                matches.sort(key=lambda match: match.weight, reverse=True)
        return table


def _hostname(listener: Mapping[str, Any]) -> str:
    return str(listener.get("Hostname") or "*").lower()


def _binds(parent: Mapping[str, Any], gateway: str, listener: str) -> bool:
    kind = parent.get("Kind") or Kind.API_GATEWAY
    section = parent.get("SectionName") or listener
    return bool(kind == Kind.API_GATEWAY and parent.get("Name") == gateway and section == listener)


def _hosts(wanted: Iterable[str], listener: str) -> list[str]:
    """The hostnames of a route that a listener serves (Consul's `FilteredHostnames`)."""
    hosts = [host.lower() for host in wanted]
    if not hosts:
        return [listener]
    if "*" in listener:
        return [host for host in hosts if host.endswith(listener.removeprefix("*").removeprefix("."))]
    return [host for host in hosts if host == listener]


def _bare(facts: Facts, listener: Mapping[str, Any]) -> str:
    """The host in lower case and without the listener's port: Envoy takes it in any case, with and without."""
    return facts.headers["host"].lower().removesuffix(f":{listener.get('Port')}")


def _served_by(table: Mapping[str, object], host: str) -> str:
    """The hostname whose matches count for a host: the exact one, then the longest wildcard, then any."""
    wild = [name for name in table if name.startswith("*") and len(host) >= len(name) and host.endswith(name[1:])]
    return host if host in table else max(wild, key=len, default="")


def _matches(route: Entry) -> Iterator[_Match]:
    number = 0
    for rule in route.body.get("Rules") or ():
        wanted: list[Mapping[str, Any]] = rule.get("Matches") or [{}]
        for match in wanted:
            number += 1
            name = f"{route.label} match {number}"
            path = match.get("Path") or {}
            kind, value = (path["Match"], path.get("Value", "")) if path.get("Match") else ("prefix", "/")
            headers, query = match.get("Headers") or (), match.get("Query") or ()
            conditions = [path_condition(_PATH_KINDS[kind], value, name)]
            if match.get("Method"):
                conditions.append(_method(match["Method"].upper()))
            conditions += [header_condition(_as_intentions_say(header), name) for header in headers]
            conditions += [_query(parameter, name) for parameter in query]
            weight = len(value), len(headers), len(query)
            yield _Match(name, weight, tuple(conditions), kind, value, rule)


def _method(method: str) -> Condition:
    return Condition("method", f"method {method}", lambda facts: facts.method == method)


def _as_intentions_say(header: Mapping[str, Any]) -> dict[str, Any]:
    kind = _HEADER_KINDS[header["Match"]]
    return {"Name": header["Name"], kind: True if kind == "Present" else header.get("Value", "")}


def _query(parameter: Mapping[str, Any], where: str) -> Condition:
    """A condition on a query parameter: its first value, undecoded."""
    name = parameter["Name"]
    value = header_condition({**_as_intentions_say(parameter), "Name": "value"}, where)

    def holds(facts: Facts) -> bool:
        pairs = (pair.partition("=") for pair in facts.target.partition("?")[2].split("&"))
        found = next((text for key, _, text in pairs if key == name), None)
        return value.holds(facts._replace(headers={} if found is None else {"value": found}))

    return Condition(f"query {name}", value.words.replace("header value", f"query {name}"), holds)


def _passage(gateway: str, match: _Match, facts: Facts) -> Passage:
    """The request as it leaves the gateway, after the rewriting that the rule or its only service asks for."""
    services = match.rule.get("Services") or ()
    holders = [match.rule, *services] if len(services) == 1 else [match.rule]
    filters = [holder.get("Filters") or {} for holder in holders]
    target = facts.target
    for each in filters:
        rewrite = (each.get("URLRewrite") or {}).get("Path")
        if rewrite:
            target = _rewritten(match, facts.target, rewrite)
    changes = [change for each in filters for change in each.get("Headers") or ()]
    names = tuple(service["Name"] for service in services)
    return Passage(gateway, match.route, names, target, _changed(facts.headers, changes))


def _rewritten(match: _Match, target: str, rewrite: str) -> str:
    """A target with another path, or another beginning of its path.

    A rewrite to `/` is a regular expression on the prefix of a match that has one, and swallows a slash after it, so
    that an exact path stays as it is (Consul's `getRewriteActionForUserLogic`); others are Envoy's `prefix_rewrite`.
    """
    path, mark, query = target.partition("?")
    if rewrite == "/":
        rest = path.removeprefix(match.value if match.kind == "prefix" else "").removeprefix("/")
    else:
        rest = "" if match.kind == "regex" else path.removeprefix(match.value)
    return rewrite + rest + mark + query


def _changed(headers: Mapping[str, str], changes: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Headers as a route changes them: Envoy removes, then adds to what is there, or sets it."""
    changed = dict(headers)
    changes = list(changes)
    for change in changes:
        for name in change.get("Remove") or ():
            changed.pop(name.lower(), None)
    for change in changes:
        for name, value in (change.get("Add") or {}).items():
            key = name.lower()
            changed[key] = f"{changed[key]},{value}" if key in changed else value
        changed |= {name.lower(): value for name, value in (change.get("Set") or {}).items()}
    return changed
