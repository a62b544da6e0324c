"""Attempts to get past the rules, through sidecars and the gateway: each refused, or decided as what it truly is."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from posture.model.access import Arrival, Request
from posture.verify.door import Door, Tried
from posture.verify.findings import Finding, Outcome, Section
from posture.verify.grounds import entrance_grounds, sidecar_grounds
from posture.verify.places import count, give_back

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from posture.model.access import Access
    from posture.model.application import Application
    from posture.verify.disguises import Disguise
    from posture.verify.grounds import Ground
    from posture.verify.target import Endpoint, NearTarget

__all__ = ["bypass_findings"]

_WORKERS = 4
_SHOWN = 3
_EXPECTED = "each refused, or decided as what it is"
_PASSED_ON = r"^cluster\.local_app\.upstream_rq_total$"


def bypass_findings(target: NearTarget, application: Application, access: Access) -> list[Finding]:
    """Try everything on every ground, at each instance's sidecar and then at the gateway; a finding for each family.

    Instances are tried side by side. Idle connections of the gateway and the clients to services with a limit are
    closed before and after, since they would hold the places that attempts, and later visitors, need.
    """
    sidecars, entrance = sidecar_grounds(access, application), entrance_grounds(access, application)
    by_instance: dict[Endpoint, list[Ground]] = {}
    for ground in sidecars.found:
        for endpoint in target.sidecars(ground.destination):
            by_instance.setdefault(endpoint, []).append(ground)

    def at_sidecar(endpoint: Endpoint) -> list[tuple[str, Tried]]:
        return [
            (f"{ground.caller} → {ground.destination}", tried)
            for ground in by_instance[endpoint]
            for tried in _sidecar(target, access, ground, endpoint).try_everything()
        ]

    _give_back(target, application, access)
    with ThreadPoolExecutor(_WORKERS) as pool:
        results = [each for results in pool.map(at_sidecar, by_instance) for each in results]
    for ground in entrance.found:
        door = _entrance(target, application, access, ground)
        label = f"visitor → {ground.caller} → {ground.destination}"
        results += [(label, tried) for tried in door.try_everything()]
    _give_back(target, application, access)
    results += _malformed(target, application, access, by_instance, entrance.found)
    _give_back(target, application, access)
    blind = [_unmeasured(*words.split(": ", 1)) for words in (*sidecars.blind, *entrance.blind)]
    return [*_findings(results), *blind]


def _malformed(
    target: NearTarget,
    application: Application,
    access: Access,
    by_instance: Mapping[Endpoint, list[Ground]],
    entrance: list[Ground],
) -> list[tuple[str, Tried]]:
    """What takes a second to be refused: once at each place, at all of them side by side."""
    doors = [
        (f"{ground.caller} → {ground.destination}", _sidecar(target, access, ground, endpoint))
        for endpoint, (ground, *_) in by_instance.items()
    ]
    doors += [
        (f"visitor → {ground.caller} → {ground.destination}", _entrance(target, application, access, ground))
        for ground in entrance[:1]
    ]
    with ThreadPoolExecutor(max(len(doors), 1)) as pool:
        tried = pool.map(lambda door: [(door[0], each) for each in door[1].try_malformed_http2()], doors)
        return [each for found in tried for each in found]


def _give_back(target: NearTarget, application: Application, access: Access) -> None:
    for service in application.services:
        give_back(target, application, access, service)


def _sidecar(target: NearTarget, access: Access, ground: Ground, endpoint: Endpoint) -> Door:
    def decide(disguise: Disguise) -> bool:
        headers = {"host": disguise.host, **disguise.others}
        request = Request(ground.caller, ground.destination, disguise.method, disguise.target, headers)
        return access.decide(request).allowed

    return Door(ground, endpoint, target.context(ground.caller), ground.destination, decide)


def _entrance(target: NearTarget, application: Application, access: Access, ground: Ground) -> Door:
    """Any service that a route leads to will do for a request to be allowed."""
    gateway = application.gateway
    services = tuple(dict.fromkeys(route.to for route in gateway.routes))
    instances = [each.instance for service in services for each in target.sidecars(service)]

    def decide(disguise: Disguise) -> bool:
        arrival = Arrival(gateway.name, disguise.method, disguise.target, disguise.others, disguise.host)
        return any(access.enter(arrival, service).allowed for service in services)

    def witness() -> int | None:
        counts = [count(target, instance, _PASSED_ON) for instance in instances]
        return None if None in counts else sum(each or 0 for each in counts)

    context, endpoint = target.entrance_context(), target.entrance()
    return Door(ground, endpoint, context, gateway.authority, decide, hostname=gateway.host, witness=witness)


def _findings(results: Iterable[tuple[str, Tried]]) -> Iterator[Finding]:
    grouped: dict[str, list[Tried]] = {}
    for label, tried in results:
        grouped.setdefault(f"{label}: {tried.family}", []).append(tried)
    for name, group in grouped.items():
        worst = next(
            (
                wanted
                for wanted in (Outcome.FAILS, Outcome.NOT_MEASURED)
                if any(each.outcome is wanted for each in group)
            ),
            Outcome.HOLDS,
        )
        yield Finding(Section.BYPASS, name, worst, _EXPECTED, _observed(group, worst))


def _observed(group: list[Tried], worst: Outcome) -> str:
    """All attempts by what they met with; where it isn't well, those that are the reason by what came of them.

    An attempt that came to the same at several instances is named once, with all of them.
    """
    if worst is Outcome.HOLDS:
        counts = Counter(each.met for each in group)
        return ", ".join(f"{times} {met}" for met, times in counts.items())
    reasons: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    wrong = [each for each in group if each.outcome is worst]
    for came, what in dict.fromkeys((each.came, each.what) for each in wrong):
        instances = tuple(dict.fromkeys(each.instance for each in wrong if (each.came, each.what) == (came, what)))
        reasons.setdefault((came, instances), []).append(what)
    return "; ".join(
        f"{came} at {', '.join(instances)}: {_listed(whats)}" for (came, instances), whats in reasons.items()
    )


def _listed(whats: list[str]) -> str:
    more = f" and {len(whats) - _SHOWN} more" if len(whats) > _SHOWN else ""
    return ", ".join(whats[:_SHOWN]) + more


def _unmeasured(name: str, why: str) -> Finding:
    return Finding(Section.BYPASS, name, Outcome.NOT_MEASURED, _EXPECTED, why)
