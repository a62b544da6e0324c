"""Rates on a real mesh, under Fortio's load with real identities straight to the sidecars."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

import pytest
from rich.console import Console

from posture.local_stack import LocalStack
from posture.model.access import Access
from posture.model.entries import compile_entries
from posture.model.limits import Rate
from posture.model.settings import read_settings
from posture.verify.findings import Outcome
from posture.verify.meetings import meetings
from posture.verify.rates import Load
from posture.verify.raw_http import exchange, request_bytes
from posture.verify.target import Offered, Pace

if TYPE_CHECKING:
    from posture.local.probing import LocalTarget
    from tests.mesh.conftest import LiveStack

pytestmark = pytest.mark.mesh
RATES = {"productpage": (500, 250), "details": (50, 50), "reviews": (5, 10), "ratings": (1, 6)}
PATH = "/health"
PATIENCE = 90.0  # seconds


class Figures(NamedTuple):
    """Of one load: what was sent, what was let through, and what a rate and a burst let through in that time.

    ``spilt`` is what came before the first request and may have found the bucket full: little on a machine at rest.
    """

    sent: int
    passed: int
    wanted: float
    spilt: float


def target_of(live: LiveStack) -> LocalTarget:
    stack = LocalStack(live.project.folder, live.name, Console(quiet=True))
    return stack.target(stack.mesh())


def access_of(live: LiveStack) -> Access:
    stack = LocalStack(live.project.folder, live.name, Console(quiet=True))
    return Access(compile_entries(*stack.load(), stack.settings.proxies))


def under(live: LiveStack, posture: str) -> None:
    """Move the mesh to a posture, unless the test before has done that."""
    if read_settings(live.project.folder, live.name).posture != posture:
        live.up(posture)


def passed(found: Offered) -> int:
    codes = {reply.status for reply in found.replies}
    assert codes <= {200, 303, 429}, codes
    return sum(reply.status != 429 for reply in found.replies)


def loaded(target: LocalTarget, service: str, seconds: float, connections: int) -> Figures:
    """Load a service with several times what its rate lets through, so that each worker gets more than its part."""
    rate, burst = RATES[service]
    times = 2 if rate > 100 else 4
    pace = Pace(PATH, times * (rate + burst / seconds), seconds, connections)
    until = time.monotonic() + PATIENCE
    while True:  # a machine that is busy with other things may not send as many, for a while
        found = target.offer("fortio", target.sidecars(service)[0], pace)
        figures = of_load(found, rate, burst)
        if figures.sent > 1.2 * figures.wanted or time.monotonic() > until:
            return figures
        time.sleep(burst / rate)


def of_load(found: Offered, rate: float, burst: int) -> Figures:
    """Those of the requests that open the connections for which the bucket has tokens are let through as well."""
    wanted = rate * (found.replies[-1].at - found.begun) + burst
    spilt = rate * (found.replies[0].at - found.begun)
    return Figures(len(found.replies), passed(found) + min(found.unseen, burst), wanted, spilt)


def measured(target: LocalTarget, connections: int = 4) -> dict[str, Figures]:
    """The fastest alone, for it takes the machine; the others at once, for they don't.

    It has more connections: a worker that happens to get few of them would be sent less than its part of the rate.
    """
    others = ("details", "reviews", "ratings")
    alone = {"productpage": loaded(target, "productpage", 2, 4 * connections)}
    with ThreadPoolExecutor() as pool:
        found = pool.map(lambda service: loaded(target, service, 12, connections), others)
        return alone | dict(zip(others, found, strict=True))


def check(service: str, each: Figures) -> None:
    assert each.sent > 1.2 * each.wanted, f"too few were sent to {service} to say anything: {each}"
    assert 0.9 * (each.wanted - each.spilt) <= each.passed <= 1.1 * each.wanted, (service, each)


def test_what_a_rate_lets_through_is_the_rate_and_a_burst(limited: LiveStack) -> None:
    under(limited, "open")
    target = target_of(limited)
    control = target.offer("fortio", target.sidecars("details")[0], Pace(PATH, 100, 2))
    assert passed(control) == len(control.replies) > 100, "without a limit nobody is refused"
    under(limited, "limited")
    for service, each in measured(target_of(limited)).items():
        check(service, each)


def test_a_refusal_names_the_limit_and_says_when_to_come_back(limited: LiveStack) -> None:
    under(limited, "limited")
    target = target_of(limited)
    [endpoint] = target.sidecars("ratings")
    asked = request_bytes("GET", PATH, [("Host", "ratings")])
    at_once = exchange(target.context("fortio"), endpoint, asked * 30, wanted=30).responses
    assert {answer.status for answer in at_once} <= {200, 429}
    refused = [answer for answer in at_once if answer.status == 429]
    assert refused, "30 at once are over a burst of 6, however slow the machine"
    for answer in refused:
        assert answer.headers["x-rate-limited-by"] == "ratings 1/s in all"
        assert answer.headers["retry-after"] == "1"
        assert answer.body == b"over the limit of ratings: 1/s in all\n"


def test_whom_the_rules_deny_takes_nothing_and_is_not_told_of_limits(limited: LiveStack) -> None:
    under(limited, "limited")
    target = target_of(limited)
    [endpoint] = target.sidecars("ratings")
    denied = target.offer("details", endpoint, Pace(PATH, 100, 1))
    assert {reply.status for reply in denied.replies} == {403}


def test_a_greedy_caller_takes_nothing_from_a_polite_one(limited: LiveStack) -> None:
    under(limited, "fair")
    target = target_of(limited)
    [endpoint] = target.sidecars("details")
    with ThreadPoolExecutor() as pool:
        greedy = pool.submit(target.offer, "fortio", endpoint, Pace(PATH, 200, 3))
        polite = pool.submit(target.offer, "productpage", endpoint, Pace(PATH, 10, 3, connections=1))
    assert passed(polite.result()) == len(polite.result().replies) >= 20
    took = greedy.result()
    check("details", of_load(took, 20, 10))


def test_a_route_under_load_leaves_the_others_alone(limited: LiveStack) -> None:
    under(limited, "fair")
    target = target_of(limited)
    [endpoint] = target.sidecars("productpage")
    with ThreadPoolExecutor() as pool:
        one = pool.submit(target.offer, "fortio", endpoint, Pace("/login", 50, 3))
        other = pool.submit(target.offer, "fortio", endpoint, Pace(PATH, 50, 3))
    assert passed(other.result()) == len(other.result().replies) > 50
    took = one.result()
    check("productpage", of_load(took, 5, 5))


def test_each_caller_of_a_route_has_a_rate_of_its_own_there_and_nowhere_else(limited: LiveStack) -> None:
    under(limited, "fair")
    target = target_of(limited)
    endpoint = target.sidecars("reviews")[0]
    with ThreadPoolExecutor() as pool:
        greedy = pool.submit(target.offer, "fortio", endpoint, Pace("/reviews/0", 100, 3))
        polite = pool.submit(target.offer, "productpage", endpoint, Pace("/reviews/0", 10, 3, connections=1))
        elsewhere = pool.submit(target.offer, "fortio", endpoint, Pace(PATH, 50, 3))
    for free in (polite, elsewhere):
        assert passed(free.result()) == len(free.result().replies) >= 20
    check("reviews", of_load(greedy.result(), 20, 10))
    asked = request_bytes("GET", "/reviews/0", [("Host", "reviews")])
    at_once = exchange(target.context("fortio"), endpoint, asked * 30, wanted=30).responses
    refused = {each.headers["x-rate-limited-by"] for each in at_once if each.status == 429}
    assert refused == {"reviews 20/s of /reviews/... per caller"}


def test_a_circuit_breaker_holds_back_what_is_too_much_at_once(limited: LiveStack) -> None:
    under(limited, "fair")
    instance = limited.instance("reviews-v2")
    url = f"{instance.environment['RATINGS_URL']}/ratings/0"
    options = ("-quiet", "-c", "8", "-n", "200", "-qps", "0", "-allow-initial-errors", "-json", "-")
    done = limited.project.run("fortio", "load", *options, url, variables=limited.variables)
    assert '"503"' in done.stdout, "the caller's own proxy answers for what it holds back"
    stats = target_of(limited).envoy(
        "reviews-v2", "/stats?filter=cluster.ratings.*upstream_(rq|cx)_(pending_)?overflow$"
    )
    assert sum(int(line.rpartition(": ")[2]) for line in (stats or "").splitlines()) > 0


def test_verify_holds_the_shipped_rates_against_the_mesh(limited: LiveStack) -> None:
    under(limited, "rate-limited")
    assert limited.changes() == {}, "a second up would change nothing"
    found = json.loads(limited.project.posture("verify", "--stack", limited.name, "--json", "-").stdout)
    assert {cell["outcome"] for cell in found["cells"]} == {"holds"}
    rates = {each["name"]: each for each in found["findings"] if each["section"] == "limits"}
    assert {name: each["observed"] for name, each in rates.items() if each["outcome"] != "holds"} == {}
    assert list(rates) == [
        "productpage without a limit of connections",
        *(f"what reviews-{version} holds back from ratings" for version in ("v1", "v2", "v3")),
        "productpage: 2/s of /login",
        "productpage: 2/s of /login, after the load",
        "productpage: 20/s per caller",
        "productpage: 20/s per caller, after the load",
        "productpage: a greedy caller beside a polite one",
        "gateway: 10/s in all",
        "gateway: 10/s in all, after the load",
        "details: no rate, as a control",
    ]
    assert rates["gateway: 10/s in all"]["moments"]


def test_verify_finds_a_rate_that_was_taken_away(limited: LiveStack) -> None:
    under(limited, "rate-limited")
    target, access = target_of(limited), access_of(limited)
    rate = Rate(requests_per_second=2, burst=4)
    meeting = next(meetings(target, limited.application, access, "productpage", "of /login"))
    with limited.consul() as consul:
        held = consul.get("/v1/config/service-defaults/productpage").raise_for_status().json()
        consul.put("/v1/config", json={**held, "EnvoyExtensions": []}).raise_for_status()
        try:
            first, _ = Load(target, limited.application).meet("productpage: 2/s of /login", meeting, rate)
        finally:
            consul.put("/v1/config", json=held).raise_for_status()
    assert first.outcome is Outcome.FAILS
    assert first.figures.keys() == {"303"}


def test_the_same_with_two_workers(limited: LiveStack) -> None:
    limited.pulumi("config", "set", "envoyWorkers", "2")
    said = limited.up("limited")
    assert "ratings: 1/s in all is one request in 2 s for each of 2 workers" in said
    assert '"concurrency": 2' in (target_of(limited).envoy("ratings-v1", "/server_info") or "")
    for service, each in measured(target_of(limited), connections=16).items():
        check(service, each)
