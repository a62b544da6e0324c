"""Applications and postures of any size, the same in each run: services in several versions, calls, and grants."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from posture.model.application import Application, Call, Gateway, Route, Service
from posture.model.posture import Grant, Permission, Posture

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["POSTURES", "made_application", "made_posture", "write_project"]

CALLS_EACH, VERSIONS = 5, ("v1", "v2", "v3")
POSTURES = {"reading": ("GET",), "writing": ("GET", "POST")}
"""Two postures by name: the methods that their grants allow."""


def made_application(size: int, seed: int = 1) -> Application:
    """So many services in up to three versions, each of which calls five others."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    names = [f"s{number:04}" for number in range(size)]
    services = {}
    for name in names:
        called = [each for each in chance.sample(names, CALLS_EACH + 1) if each != name][:CALLS_EACH]
        services[name] = Service(
            port=9080,
            versions=VERSIONS[: chance.randint(1, len(VERSIONS))],
            command=("run",),
            calls=tuple(Call(to=each, path=f"/{each}/{chance.randint(0, 9)}") for each in called),
        )
    gateway = Gateway(routes=(Route(exact="/", to=names[0]),))
    return Application(description="made", services=services, clients={}, gateway=gateway).named("made")


def made_posture(application: Application, name: str) -> Posture:
    """A grant for each call, to all paths of the service that is called."""
    grants = tuple(
        Grant.model_validate(
            {
                "name": f"{source}-{number}",
                "source": source,
                "destination": call.to,
                "permissions": (
                    Permission.model_validate({"path_prefix": f"/{call.to}/", "methods": POSTURES[name]}, by_name=True),
                ),
            },
            by_name=True,
        )
        for source, service in application.services.items()
        for number, call in enumerate(service.calls)
    )
    return Posture(description="made", grants=grants, limits={}).named(name)


def write_project(folder: Path, application: Application) -> None:
    """Write the application and its postures into a project's folder; JSON is YAML."""
    for part, made in [("apps", application), *(("stacks", made_posture(application, name)) for name in POSTURES)]:
        (folder / part).mkdir(exist_ok=True)
        text = made.model_dump_json(by_alias=True, exclude_none=True, exclude_defaults=True)
        (folder / part / f"{made.name}.yaml").write_text(text)
