"""What a rate limit that nobody reaches adds to the latency of a sidecar, against the same sidecar without it.

Kinds of sidecars take turns in an order of chance; requests go straight to the sidecar of `details` with an identity
that may call it. Two of the kinds are the same, so that their difference is what the machine adds by itself; and one
has a Lua filter that does nothing, which is what Envoy takes for running any.
"""

from __future__ import annotations

import random
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx
from rich.console import Console

from posture.local.supervisor import Supervisor
from posture.local_stack import LocalStack
from posture.model.limit_fields import limit_fields
from posture.model.limits import Limit, Rate, RouteRates
from posture.model.settings import read_settings
from posture.verify.target import Pace
from tests.bench.figures import Row

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psutil

TURNS = 12
PACE = Pace("/details/0", 0, 2, connections=1)
"""One request after another, as fast as they are answered. At a pace of 200 a second, how long it takes to wake idle
processes made the same sidecar differ from itself by more than a tenth."""

SETTLED = 2
"""Seconds after which a sidecar has its configuration, and none of the connections from before."""

SERVICE, CALLER = "details", "productpage"
NEVER = {"requests_per_second": 100_000, "burst": 1_000_000}
LIMIT = Limit(
    **NEVER,  # type: ignore[arg-type]  # a rate and a burst
    per_caller=Rate.model_validate(NEVER, by_name=True),
    routes=(RouteRates.model_validate({"path_prefix": "/details/", **NEVER}, by_name=True),),
)
EMPTY = "function envoy_on_request(handle)\nend\n"
FREE, FREE_AGAIN, BARE, LIMITED = "no limit", "no limit, again", "an empty filter", "limited"


class Turn(NamedTuple):
    """Seconds: of a request at the median and at p99, and of the sidecar's CPU for one."""

    p50: float
    p99: float
    cpu: float


def limit_rows(project: Path, stack: str) -> Iterator[Row]:
    """All three kinds of rate at once against none, then the two floors of that figure."""
    local = LocalStack(project, stack, Console(quiet=True))
    turns = measured(local, kinds_of(limit_fields(SERVICE, LIMIT, read_settings(project, stack).proxies)))
    free = [*turns[FREE], *turns[FREE_AGAIN]]
    for name, goal in (("p50", "≤ 1.05"), ("p99", "≤ 1.10")):
        yield compared(f"a request to a limited sidecar, {name}", turns[LIMITED], free, name, goal)
    for name in ("p50", "p99"):
        yield compared(f"the same with an empty Lua filter, {name}", turns[BARE], free, name)
        yield compared(f"the same without a limit, measured twice, {name}", turns[FREE_AGAIN], turns[FREE], name)
    for what, kind in (("a limited sidecar", LIMITED), ("one with an empty Lua filter", BARE)):
        yield compared(f"CPU time of {what} for a request", turns[kind], free, "cpu")


def kinds_of(limited: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The fields of the service by kind of sidecar."""
    [extension] = limited["EnvoyExtensions"]
    empty = {**extension, "Arguments": {**extension["Arguments"], "Script": EMPTY}}
    return {FREE: {}, FREE_AGAIN: {}, BARE: {"EnvoyExtensions": [empty]}, LIMITED: limited}


def measured(local: LocalStack, kinds: dict[str, dict[str, Any]]) -> dict[str, list[Turn]]:
    mesh = local.mesh()
    target = local.target(mesh)
    [endpoint] = target.sidecars(SERVICE)
    sidecar = process(local, f"envoy/{endpoint.instance}.json")
    turns: dict[str, list[Turn]] = {kind: [] for kind in kinds}
    chance = random.Random(1)  # noqa: S311 - the same in each run
    headers = {"X-Consul-Token": mesh.operator_token()}
    with httpx.Client(base_url=mesh.consul_address, headers=headers) as consul:
        held = consul.get(f"/v1/config/service-defaults/{SERVICE}").raise_for_status().json()
        try:
            for turn in range(TURNS + 1):
                for kind in chance.sample(list(kinds), len(kinds)):
                    consul.put("/v1/config", json={**held, **kinds[kind]}).raise_for_status()
                    time.sleep(SETTLED)
                    before = cpu(sidecar)
                    took = sorted(reply.took for reply in target.offer(CALLER, endpoint, PACE).replies)
                    used = (cpu(sidecar) - before) / len(took)
                    if turn:  # the first ones warm up
                        turns[kind].append(Turn(took[len(took) // 2], took[len(took) * 99 // 100], used))
        finally:
            consul.put("/v1/config", json=held).raise_for_status()
    return turns


def compared(what: str, turns: list[Turn], floor: list[Turn], name: str, goal: str = "reported") -> Row:
    """The medians of the turns."""
    figure, least = (statistics.median(getattr(turn, name) for turn in each) for each in (turns, floor))
    words = f"{figure * 1000:.3f} ms", f"{least * 1000:.3f} ms, no limit"
    return Row(what, *words, f"{figure / least:.2f}", goal)


def process(local: LocalStack, argument: str) -> psutil.Process:
    processes = Supervisor(local.layout.state, {}).processes()
    return next(each for each in processes if argument in each.cmdline())


def cpu(sidecar: psutil.Process) -> float:
    """Seconds so far, of all its threads."""
    counters = Path(f"/proc/{sidecar.pid}/task").glob("*/schedstat")
    return sum(int(counter.read_text().split()[0]) for counter in counters) / 1e9
