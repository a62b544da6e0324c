"""The rate limiter's program in LuaJIT, which Envoy embeds, with a clock of the test's own."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

import pytest
from lupa import luajit21

from posture.model.limit_fields import Proxies, limit_fields
from posture.model.limiter import MOST_CALLERS
from posture.model.limits import Limit

ENVOY = """
local answered, given, asked
local tls = { uriSanPeerCertificate = function() asked = asked .. " caller" return given.names end }
local stream = { downstreamSslConnection = function() return given.names and tls end }
local headers = { get = function(_, name) asked = asked .. " " .. name return given[name] end }
local handle = {
  headers = function() asked = asked .. " headers" return headers end,
  streamInfo = function() return stream end,
  timestamp = function() return given.now end,
  respond = function(_, fields, body) answered = { fields = fields, body = body } end,
}
local function request(now, caller, method, path)
  answered, asked = nil, ""
  given = { now = now, names = caller and { caller }, [":method"] = method, [":path"] = path }
  envoy_on_request(handle)
  if answered then
    local fields = answered.fields
    return fields[":status"], fields["retry-after"], fields["x-rate-limited-by"], answered.body
  end
  return "passed"
end
local function many(from, to, callers)
  for i = from, to do
    request(1000000 + i, "spiffe://mesh/svc/c" .. (i * 7919 % callers), "GET", "/")
  end
  collectgarbage()
  collectgarbage()
  return collectgarbage("count")
end
return request, many, function() return asked end
"""


@dataclass
class Worker:
    """One of an Envoy's worker threads. ``now`` is in milliseconds."""

    limit: dict[str, Any]
    workers: int = 1
    now: int = 1_795_000_000_000
    request: Any = field(init=False)
    many: Any = field(init=False)
    asked: Any = field(init=False)

    def __post_init__(self) -> None:
        fields = limit_fields("page", Limit.model_validate(self.limit, by_name=True), Proxies(workers=self.workers))
        lua = luajit21.LuaRuntime()
        lua.execute(fields["EnvoyExtensions"][0]["Arguments"]["Script"])
        self.request, self.many, self.asked = lua.execute(ENVOY)

    def passes(self, caller: str | None = "spiffe://mesh/svc/a", method: str = "GET", path: str | None = "/") -> bool:
        return bool(self.request(self.now, caller, method, path) == "passed")

    def passing(self, count: int, **request: Any) -> int:
        return sum(self.passes(**request) for _ in range(count))

    def wait(self, seconds: float) -> None:
        self.now += round(seconds * 1000)


FIVE = {"requests_per_second": 5, "burst": 10}


def test_a_burst_passes_and_then_the_rate() -> None:
    worker = Worker(FIVE)
    assert worker.passing(30) == 10
    worker.wait(1)
    assert worker.passing(30) == 5
    worker.wait(100)
    assert worker.passing(30) == 10, "no more than a burst is ever saved"


@pytest.mark.parametrize("rate", [1, 5, 50, 500])
@pytest.mark.parametrize("workers", [1, 2])
def test_in_the_long_run_the_rate_passes(rate: int, workers: int) -> None:
    envoy = [Worker({"requests_per_second": rate, "burst": 2 * rate}, workers) for _ in range(workers)]
    passed = 0
    for number in range(60 * 3 * rate):  # three times the rate, for 60 s
        worker = envoy[number % workers]
        worker.now = 1_795_000_000_000 + number * 1000 // (3 * rate)
        passed += worker.passes()
    assert passed == pytest.approx(rate * 60 + 2 * rate, rel=0.04)


def test_a_refusal_says_when_to_come_back_and_by_which_limit() -> None:
    worker = Worker({"per_caller": {"requests_per_second": 0.2, "burst": 1}})
    assert worker.passes()
    status, after, by, body = worker.request(worker.now, "spiffe://mesh/svc/a", "GET", "/")
    assert (status, after, by) == ("429", "5", "page 0.2/s per caller")
    assert body == "over the limit of page: 0.2/s per caller\n"
    worker.wait(4.9)
    assert not worker.passes()
    worker.wait(0.1)
    assert worker.passes()


def test_each_caller_has_a_rate_of_its_own() -> None:
    worker = Worker({"per_caller": FIVE})
    assert worker.passing(100, caller="spiffe://mesh/svc/greedy") == 10
    assert worker.passing(10, caller="spiffe://mesh/svc/polite") == 10


def test_who_is_refused_by_a_limit_of_its_own_takes_nothing_from_what_others_share() -> None:
    worker = Worker({"requests_per_second": 50, "burst": 20, "per_caller": FIVE})
    assert worker.passing(100, caller="spiffe://mesh/svc/greedy") == 10
    assert worker.passing(10, caller="spiffe://mesh/svc/polite") == 10
    assert worker.passing(1, caller="spiffe://mesh/svc/third") == 0, "what they share is used up now"


def test_a_caller_without_a_name_shares_one_rate_with_its_like() -> None:
    worker = Worker({"per_caller": FIVE})
    assert worker.passing(100, caller=None) == 10


def test_routes_are_told_by_path_and_method_and_the_first_counts() -> None:
    worker = Worker(
        {
            "routes": (
                {"path_exact": "/login", "methods": ("POST",), "requests_per_second": 1},
                {"path_prefix": "/log", "requests_per_second": 3},
                {"methods": ("PUT", "DELETE"), "requests_per_second": 2},
            )
        }
    )
    assert worker.passing(9, method="POST", path="/login?next=/") == 1
    assert worker.passing(9, method="GET", path="/login") == 3
    assert worker.passing(9, method="POST", path="/logout") == 0, "it shares that rate"
    assert worker.passing(9, method="PUT") == 2
    assert worker.passing(9, method="GET") == 9, "no limit matches"
    assert worker.passing(9, method="POSTS", path="/x") == 9
    assert worker.passing(9, method="CONNECT", path=None) == 9


def test_a_route_may_limit_each_caller_beside_all_of_them() -> None:
    route = {"path_prefix": "/log", "requests_per_second": 5, "burst": 8, "per_caller": {"requests_per_second": 3}}
    worker = Worker({"routes": (route, {"methods": ("GET",), "per_caller": {"requests_per_second": 2}})})
    greedy, polite = "spiffe://mesh/svc/greedy", "spiffe://mesh/svc/polite"
    assert worker.passing(9, caller=greedy, path="/login") == 3
    assert worker.passing(9, caller=polite, path="/logout") == 3, "it takes nothing from others"
    assert worker.passing(9, caller="spiffe://mesh/svc/third", path="/login") == 2, "all together have 8"
    assert worker.passing(9, caller=greedy, path="/else") == 2, "another route, another bucket of the same caller"
    assert worker.passing(9, caller=greedy, method="PUT", path="/else") == 9
    worker.wait(1)
    _, _, by, _ = [worker.request(worker.now, greedy, "GET", "/login") for _ in range(4)][-1]
    assert by == "page 3/s of /log... per caller"


@pytest.mark.parametrize(
    ("limit", "asked"),
    [
        ({"requests_per_second": 5}, ""),
        ({"requests_per_second": 5, "per_caller": {"requests_per_second": 5}}, "caller"),
        ({"routes": ({"methods": ("GET",), "requests_per_second": 5},)}, "headers :method"),
        ({"routes": ({"path_exact": "/", "per_caller": {"requests_per_second": 5}},)}, "headers :path caller"),
        ({"routes": ({"path_exact": "/no", "per_caller": {"requests_per_second": 5}},)}, "headers :path"),
    ],
)
def test_envoy_is_asked_once_for_what_the_limits_need_and_for_nothing_else(limit: Any, asked: str) -> None:
    worker = Worker(limit)
    assert worker.passes()
    assert worker.asked().strip() == asked


def test_a_clock_that_is_set_back_costs_nobody_a_token_and_gives_none() -> None:
    worker = Worker(FIVE)
    assert worker.passing(6) == 6
    worker.wait(-3600)
    assert worker.passing(6) == 4
    worker.wait(1)
    assert worker.passing(9) == 5, "it goes on from the new time at once"


def test_a_clock_that_jumps_ahead_gives_a_burst_at_most() -> None:
    worker = Worker(FIVE)
    assert worker.passing(20) == 10
    worker.wait(86_400 * 365)
    assert worker.passing(20) == 10


def test_a_rate_is_divided_by_the_workers_and_each_passes_one_at_least() -> None:
    worker = Worker({"requests_per_second": 1, "burst": 1}, workers=2)
    assert worker.passing(5) == 1
    worker.wait(1.9)
    assert worker.passing(5) == 0
    worker.wait(0.1)
    assert worker.passing(5) == 1


def test_no_more_callers_are_remembered_than_two_generations() -> None:
    worker = Worker({"per_caller": {"requests_per_second": 0.01, "burst": 1}})
    assert worker.passes(caller="first")
    for number in range(MOST_CALLERS):
        worker.passes(caller=f"c{number}")
    assert not worker.passes(caller="first"), "still remembered, in the older generation"
    for number in range(2 * MOST_CALLERS):
        worker.passes(caller=f"d{number}")
    assert worker.passes(caller="first"), "forgotten, and so given a new bucket"


def test_memory_is_flat_over_many_requests_of_many_callers() -> None:
    worker = Worker({"requests_per_second": 5, "per_caller": FIVE})
    early = worker.many(1, 50_000, 10_000)
    late = worker.many(50_001, 250_000, 10_000)
    assert late <= early * 1.1, f"{early:.0f} kB after 50,000 requests, {late:.0f} kB after 250,000"
    assert late < 4096, "kB"


def test_any_order_of_requests_stays_within_every_limit() -> None:
    chance = random.Random(7)  # noqa: S311 - the same in each run
    worker = Worker({"requests_per_second": 8, "burst": 12, "per_caller": FIVE})
    begun, passed = worker.now, {"a": 0, "b": 0, "c": 0}
    for _ in range(3000):
        caller = chance.choice("aaab" + "c")
        passed[caller] += worker.passes(caller=caller)
        worker.wait(chance.choice([0, 0, 0.01, 0.3]))
        seconds = (worker.now - begun) / 1000
        assert sum(passed.values()) <= 12 + 8 * seconds + 1e-6
        assert max(passed.values()) <= 10 + 5 * seconds + 1e-6
