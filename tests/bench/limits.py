"""What a rate limit that nobody reaches adds to the latency of a sidecar, against the same sidecar without it.

The two take turns, several times; requests go straight to the sidecar of `details` with an identity that may call it.
"""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

import httpx
from rich.console import Console

from posture.local_stack import LocalStack
from posture.model.limit_fields import limit_fields
from posture.model.limits import Limit, Rate, RouteRates
from posture.model.settings import read_settings
from posture.verify.target import Pace
from tests.bench.figures import Row

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TURNS = 7
PACE = Pace("/details/0", 200, 5, connections=4)
SERVICE, CALLER = "details", "productpage"
NEVER = {"requests_per_second": 100_000, "burst": 1_000_000}
LIMIT = Limit(
    **NEVER,  # type: ignore[arg-type]  # a rate and a burst
    per_caller=Rate.model_validate(NEVER, by_name=True),
    routes=(RouteRates.model_validate({"path_prefix": "/details/", **NEVER}, by_name=True),),
)


def limit_rows(project: Path, stack: str) -> Iterator[Row]:
    """The median of the turns at p50 and at p99, with all three kinds of rate at once and with none."""
    local = LocalStack(project, stack, Console(quiet=True))
    mesh = local.mesh()
    target = local.target(mesh)
    [endpoint] = target.sidecars(SERVICE)
    limited = limit_fields(SERVICE, LIMIT, read_settings(project, stack).proxies)
    latencies: dict[bool, list[tuple[float, float]]] = {True: [], False: []}
    headers = {"X-Consul-Token": mesh.operator_token()}
    with httpx.Client(base_url=mesh.consul_address, headers=headers) as consul:
        held = consul.get(f"/v1/config/service-defaults/{SERVICE}").raise_for_status().json()
        try:
            for turn in range(2 * TURNS + 1):
                entry = {**held, **limited} if turn % 2 else held
                consul.put("/v1/config", json=entry).raise_for_status()
                time.sleep(2)
                took = sorted(reply.took for reply in target.offer(CALLER, endpoint, PACE).replies)
                if turn:  # the first one warms up
                    latencies[bool(turn % 2)].append((took[len(took) // 2], took[len(took) * 99 // 100]))
        finally:
            consul.put("/v1/config", json=held).raise_for_status()
    for place, (percentile, goal) in enumerate((("p50", "≤ 1.05"), ("p99", "≤ 1.10"))):
        with_limit, without = (statistics.median(each[place] for each in latencies[kind]) for kind in (True, False))
        figures = f"{with_limit * 1000:.3f} ms", f"{without * 1000:.3f} ms, no limit"
        yield Row(f"a request to a limited sidecar, {percentile}", *figures, f"{with_limit / without:.2f}", goal)
