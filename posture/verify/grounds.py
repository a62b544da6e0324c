"""What a caller may do at a destination and what it may not, read off the rules: where attempts to get past them begin.

Nothing here knows an application: permissions give the requests that they speak of, the access model says which of
them, and of the application's own samples, are allowed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from posture.model.access import Arrival, Request
from posture.model.entries import Kind
from posture.model.matrix import UNKNOWN, samples

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from posture.model.access import Access
    from posture.model.application import Application
    from posture.verify.raw_http import Header

__all__ = ["Ground", "Grounds", "Plain", "entrance_grounds", "sidecar_grounds"]

_NOWHERE = "/outside"
"""A path that no rule speaks of."""

_METHODS = ("GET", "POST", "PUT", "DELETE")
_HOST = frozenset({"host", ":authority"})
"""Every request says that already: the destination's name, or the gateway's."""

_AROUND = {"Exact": ("", ""), "Prefix": ("", "1"), "Suffix": ("1", ""), "Contains": ("1", "1")}
"""What is written before and after a condition's text; without it, a proxy would trim blanks at the text's ends."""


class Plain(NamedTuple):
    """A request as it is when nobody plays tricks."""

    method: str
    path: str
    headers: tuple[Header, ...] = ()

    def __str__(self) -> str:
        """Method and path."""
        return f"{self.method} {self.path}"


@dataclass(frozen=True)
class Ground:
    """Where one caller's attempts begin.

    Args:
        caller: Whose certificate is shown; for the entrance, the gateway.
        destination: The service.
        forbidden: What the caller may not do here, and will try to.
        cover: A path that the caller, or else somebody, may ask for; what is forbidden is dressed up as it.
        permitted: What the caller may do; None for one that may do nothing.
        forbidden_method: A method that is denied where ``permitted`` is allowed, if there is one.
        admitted: A caller that may do something here, whose identity is worth claiming.
    """

    caller: str
    destination: str
    forbidden: Plain
    cover: str
    permitted: Plain | None = None
    forbidden_method: str | None = None
    admitted: str = ""


class Grounds(NamedTuple):
    """All of a kind, and in words where none was found although there are rules."""

    found: list[Ground]
    blind: list[str]


def sidecar_grounds(access: Access, application: Application) -> Grounds:
    """One for each permission at an http service, and for each such service a caller to whom it grants nothing."""
    grounds = Grounds([], [])
    for destination in application.services:
        if access.is_http(destination) and not access.permissive(destination):
            _add_limited(grounds, access, application, destination)
            stranger = _stranger(access, application, destination)
            if stranger:
                grounds.found.append(stranger)
            else:
                grounds.blind.append(f"{destination}: everybody may call it in some way")
    return grounds


def entrance_grounds(access: Access, application: Application) -> Grounds:
    """An exact and a prefix route to each service, and what permissions the gateway's own identity has there."""
    gateway = application.gateway
    grounds = Grounds([], [])
    for service in dict.fromkeys(route.to for route in gateway.routes):

        def decide(plain: Plain, service: str = service) -> bool:
            arrival = Arrival(gateway.name, plain.method, plain.path, dict(plain.headers))
            return access.enter(arrival, service).allowed

        routes = [route for route in gateway.routes if route.to == service]
        first_of_a_kind = {route.exact is None: route for route in reversed(routes)}.values()
        wanted = [[Plain("GET", route.path)] for route in first_of_a_kind]
        wanted += [list(_requests_of(each, [])) for each in _permissions(access, service).get(gateway.name, ())]
        for requests in wanted:
            ground = _ground(gateway.name, service, requests, _strangers([]), decide)
            if ground and ground not in grounds.found:
                grounds.found.append(ground)
        if not any(ground.destination == service for ground in grounds.found):
            grounds.blind.append(f"{gateway.name} → {service}: no request is known that comes through")
    return grounds


def _add_limited(grounds: Grounds, access: Access, application: Application, destination: str) -> None:
    known = [Plain(sample.method, sample.path) for sample in samples(application) if sample.destination == destination]
    for source, permissions in _permissions(access, destination).items():
        caller = UNKNOWN if source == "*" else source
        if caller not in {*application.sources, UNKNOWN}:
            continue

        def decide(plain: Plain, caller: str = caller) -> bool:
            return _decide(access, caller, destination, plain)

        for number, permission in enumerate(permissions, 1):
            requests = list(_requests_of(permission, known))
            ground = _ground(caller, destination, requests, _strangers(known), decide)
            if ground:
                grounds.found.append(ground)
            else:
                words = "no request is known that it allows, beside one that is denied"
                grounds.blind.append(f"{caller} → {destination} permission {number}: {words}")


def _stranger(access: Access, application: Application, destination: str) -> Ground | None:
    """Somebody with a certificate and no rights; one of the application's own if there is one."""
    known = [Plain(sample.method, sample.path) for sample in samples(application) if sample.destination == destination]
    rules = access.intentions.of(destination, http=True)
    admitted = [name for name, each in rules.items() if any(rule.allows for rule in each.rules)]
    for caller in (*application.clients, *application.services, UNKNOWN):
        mine = rules.get(caller) or rules.get("*")
        nothing = mine is None or not any(rule.allows for rule in mine.rules)
        asked = [Plain("GET", _NOWHERE), *known]
        if caller != destination and nothing and not any(_decide(access, caller, destination, each) for each in asked):
            cover = next((each.path for each in known if each.method == "GET"), _NOWHERE)
            named = next((name for name in admitted if name != "*"), destination)
            return Ground(caller, destination, Plain("GET", cover), cover, admitted=named)
    return None


def _ground(
    caller: str, destination: str, requests: list[Plain], others: Iterable[Plain], decide: Callable[[Plain], bool]
) -> Ground | None:
    """The first that is allowed, and the denied one that is most like it."""
    everything = [*requests, *others]
    permitted = next((each for each in everything if decide(each)), None)
    if permitted is None:
        return None
    elsewhere = (permitted._replace(path=path) for path in (_NOWHERE, *(each.path for each in others)))
    in_other_ways = (permitted._replace(method=method) for method in _METHODS)
    tried = (*elsewhere, *in_other_ways, permitted._replace(headers=()), *requests)
    forbidden = next((each for each in tried if not decide(each)), None)
    if forbidden is None:
        return None
    method = next((each for each in _METHODS if not decide(permitted._replace(method=each))), None)
    return Ground(caller, destination, forbidden, permitted.path, permitted, method, admitted=caller)


def _decide(access: Access, caller: str, destination: str, plain: Plain) -> bool:
    return access.decide(Request(caller, destination, plain.method, plain.path, dict(plain.headers))).allowed


def _strangers(known: list[Plain]) -> list[Plain]:
    return [*known, Plain("GET", _NOWHERE)]


def _permissions(access: Access, destination: str) -> dict[str, list[Mapping[str, Any]]]:
    """By source; an entry for all destinations counts for sources that have no rule in the destination's own."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for name in ("*", destination):
        for entry in access.entries:
            if entry.kind == Kind.SERVICE_INTENTIONS and entry.name == name:
                found |= {each["Name"]: each.get("Permissions") or [] for each in entry.body.get("Sources") or ()}
    return {name: permissions for name, permissions in found.items() if permissions}


def _requests_of(permission: Mapping[str, Any], known: list[Plain]) -> Iterator[Plain]:
    """Requests that a permission may speak of; a regular expression's have to be among those that are known."""
    http = permission.get("HTTP") or {}
    prefix, paths = http.get("PathPrefix"), [plain.path for plain in known]
    if prefix:
        paths = [path for path in paths if path.startswith(prefix)] or [f"{prefix}0" if prefix[-1] == "/" else prefix]
    elif http.get("PathExact"):
        paths = [http["PathExact"]]
    wanted = (each for each in http.get("Header") or () if not each.get("Invert") and each["Name"].lower() not in _HOST)
    headers = tuple(map(_header, wanted))
    for path in dict.fromkeys(paths or ["/"]):
        for method in sorted(http.get("Methods") or ("GET",), key=lambda name: (name != "GET", name)):
            yield Plain(method, path, headers)


def _header(condition: Mapping[str, Any]) -> Header:
    """A header that meets a condition, unless that is a regular expression: then it is up to luck.

    So it is where no client can send what is meant: blanks at a value's ends, which a proxy trims, and what isn't
    ASCII, which comes as other bytes than the rule has.
    """
    texts = (f"{before}{condition[kind]}{after}" for kind, (before, after) in _AROUND.items() if condition.get(kind))
    value = next(texts, "1")
    return condition["Name"], value if value.isascii() and value == value.strip() else "1"
