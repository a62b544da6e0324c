"""Made postures for bookinfo, to switch between."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from random import Random

    from posture.model.application import Application

Fields = dict[str, Any]
"""What a posture's file says."""

METHODS = ("GET", "POST", "PUT")
RATES = (500, 900)
"""High enough for nobody who asks a few times a second to meet them."""


def made_posture(chance: Random, application: Application) -> Fields:
    """Some calls between anybody, whole or by path and method; limits on some services; either TLS floor."""
    services = list(application.services)
    calls = [(source, to) for source in sorted(application.sources) for to in services if source != to]
    grants = [
        {"name": f"{source}-{to}", "from": source, "to": to, **_permissions(chance, application, to)}
        for source, to in chance.sample(calls, chance.randint(0, 8))
    ]
    limits = {f"limit-{on}": {"on": on, **_limit(chance)} for on in chance.sample(services, chance.randint(0, 2))}
    floor = chance.choice(["TLSv1_2", "TLSv1_3"])
    return {"description": "made", "grants": grants, "limits": limits, "mesh": {"tlsMinVersion": floor}}


def _permissions(chance: Random, application: Application, to: str) -> Fields:
    if chance.random() < 0.4:
        return {}
    paths = sorted({call.path for each in application.services.values() for call in each.calls if call.to == to})
    roots = [*(path.rpartition("/")[0] + "/" for path in paths), "/health", "/"]
    return {
        "permissions": [
            {"pathPrefix": chance.choice(roots), "methods": chance.sample(METHODS, chance.randint(1, 2))}
            for _ in range(chance.randint(1, 2))
        ]
    }


def _limit(chance: Random) -> Fields:
    limit: Fields = {"requestsPerSecond": chance.choice(RATES), "burst": chance.choice(RATES)}
    if chance.random() < 0.5:
        limit["maxInboundConnections"] = chance.choice([200, 300])
    return limit
