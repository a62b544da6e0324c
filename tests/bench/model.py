"""The access model, on a made application of a thousand services that call five others each."""

from __future__ import annotations

import random
import timeit
from functools import partial
from typing import TYPE_CHECKING

from posture.model.access import Access, Request
from posture.model.application import Application, Call, Gateway, Route, Service
from posture.model.difference import compare
from posture.model.entries import compile_entries
from posture.model.matrix import matrix
from posture.model.posture import Grant, Permission, Posture
from tests.bench.figures import Row, timed

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVICES, CALLS_EACH, DECISIONS = 1000, 5, 50_000


def model_rows() -> Iterator[Row]:
    """Compile, decide, matrix, difference."""
    application = made_application()
    reading, writing = made_posture(application, "GET"), made_posture(application, "GET", "POST")
    grants = f"{SERVICES} services, {len(reading.grants)} grants"

    seconds = timed(lambda: compile_entries(application, reading))
    yield Row(f"compile {grants}", f"{seconds:.2f} s", goal="≤ 1 s")

    access = Access(compile_entries(application, reading))
    caller, service = next(iter(application.services.items()))
    call = service.calls[0]
    requests = [Request(caller, call.to, "GET", call.path), Request(caller, call.to, "POST", f"/a/..{call.path}?x=1")]
    slowest = max(timeit.timeit(partial(access.decide, r), number=DECISIONS) / DECISIONS for r in requests)
    yield Row("a decision", f"{slowest * 1e6:.1f} µs", goal="≤ 10 µs")

    seconds = timed(lambda: sum(1 for _ in matrix(Access(access.entries), application).cells()))
    cells = sum(1 for _ in matrix(access, application).cells())
    yield Row(f"matrix of {grants}: {cells:,} cells", f"{seconds:.1f} s", goal="≤ 5 s")

    other = Access(compile_entries(application, writing))
    seconds = timed(lambda: compare(application, ("a", access), ("b", other)))
    yield Row(f"difference of two postures of {grants}", f"{seconds:.1f} s", goal="≤ 1 s, at scale (later)")


def made_application(size: int = SERVICES) -> Application:
    chance = random.Random(1)  # noqa: S311 - the same application in each run
    names = [f"s{number:04}" for number in range(size)]
    services = {
        name: Service(
            port=9080,
            command=("run",),
            calls=tuple(Call(to=to, path=f"/{to}/{chance.randint(0, 9)}") for to in chance.sample(names, CALLS_EACH)),
        )
        for name in names
    }
    gateway = Gateway(routes=(Route(exact="/", to=names[0]),))
    return Application(description="made", services=services, clients={}, gateway=gateway).named("made")


def made_posture(application: Application, *methods: str) -> Posture:
    grants = tuple(
        Grant.model_validate(
            {
                "name": f"{name}-{number}",
                "source": name,
                "destination": call.to,
                "permissions": (Permission.model_validate({"path_prefix": f"/{call.to}/", "methods": methods}),),
            }
        )
        for name, service in application.services.items()
        for number, call in enumerate(service.calls)
    )
    return Posture(description="made", grants=grants, limits={}).named("made")
