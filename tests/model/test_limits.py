"""What limits compile to, and what is read back from it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posture.errors import InputError
from posture.model.application import load_application
from posture.model.limit_fields import Edition, Proxies, limit_fields
from posture.model.limit_reading import limit_of
from posture.model.limit_words import limit_changes, limit_words, slow_words
from posture.model.limits import Limit, in_force
from posture.model.posture import Posture, load_posture

ROOT = Path(__file__).parents[2]
ENTERPRISE = Proxies(Edition.ENTERPRISE)


def limit(**fields: Any) -> Limit:
    return Limit.model_validate(fields, by_name=True)


def checked(**fields: Any) -> dict[str, Any]:
    return {"upstreams": {"r": {"passive_health_check": fields}}}


def rate_limited() -> Posture:
    return load_posture(ROOT / "stacks", "rate-limited", load_application(ROOT / "apps" / "bookinfo.yaml"))


def _match(route: Any) -> Any:
    return route.get("path_exact"), route.get("path_prefix"), frozenset(route.get("methods", ()))


counts = st.integers(1, 1_000_000)
rates = st.fixed_dictionaries({"requests_per_second": st.floats(0.01, 1_000_000), "burst": counts})
printable = st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="?#")
paths = st.text(printable, max_size=20).map("/{}".format)
methods = st.lists(st.sampled_from(["GET", "POST", "DELETE"]), min_size=1, max_size=3, unique=True).map(tuple)
routes = st.one_of(
    st.fixed_dictionaries({"path_exact": paths}, optional={"methods": methods}),
    st.fixed_dictionaries({"path_prefix": paths}, optional={"methods": methods}),
    st.fixed_dictionaries({"methods": methods}),
)
rates_of_a_route = st.one_of(
    st.builds(lambda rate, more: {**rate, **more}, rates, st.fixed_dictionaries({}, optional={"per_caller": rates})),
    st.fixed_dictionaries({"per_caller": rates}),
)
limited_routes = st.lists(
    st.builds(lambda a, b: {**a, **b}, routes, rates_of_a_route), min_size=1, max_size=3, unique_by=_match
).map(tuple)
upstreams = st.fixed_dictionaries(
    {"max_connections": counts},
    optional={
        "max_pending_requests": counts,
        "max_concurrent_requests": counts,
        "passive_health_check": st.fixed_dictionaries(
            {"max_failures": counts, "interval": counts, "max_ejection_percent": st.integers(1, 100)}
        ),
    },
)
limits = st.one_of(
    st.fixed_dictionaries(
        {"per_caller": rates},
        optional={"routes": limited_routes, "upstreams": st.fixed_dictionaries({"u": upstreams})},
    ),
    st.builds(lambda a, b: {**a, **b}, rates, st.fixed_dictionaries({}, optional={"max_inbound_connections": counts})),
    st.fixed_dictionaries({"routes": limited_routes}),
)


@settings(deadline=None)  # a busy machine may take its time
@given(limits, st.sampled_from(Edition), st.integers(1, 8), st.booleans())
def test_what_is_compiled_reads_back_the_same(fields: Any, edition: Edition, workers: int, gateway: bool) -> None:  # noqa: FBT001
    meant = limit(**fields)
    assert limit_of(limit_fields("page", meant, Proxies(edition, workers), gateway=gateway)) == meant


def test_a_program_that_was_touched_is_not_read_as_the_limiter() -> None:
    fields = limit_fields("page", limit(requests_per_second=5), Proxies())
    arguments = fields["EnvoyExtensions"][0]["Arguments"]
    assert limit_of(fields) == limit(requests_per_second=5, burst=5)
    arguments["Script"] = arguments["Script"].replace("if refusing then", "if false then")
    assert limit_of(fields) is None


def test_a_burst_is_that_of_a_second_and_one_at_least() -> None:
    read = [limit_of(limit_fields("page", limit(requests_per_second=each), Proxies())) for each in (0.1, 1, 2.5, 7)]
    assert [each.burst for each in read if each] == [1, 1, 3, 7]


@pytest.mark.parametrize(
    ("fields", "native"),
    [
        ({"requests_per_second": 5}, {"InstanceLevel": {"RequestsPerSecond": 5, "RequestsMaxBurst": 5}}),
        (
            {"routes": ({"path_prefix": "/a", "requests_per_second": 5, "burst": 9},)},
            {"InstanceLevel": {"Routes": [{"PathPrefix": "/a", "RequestsPerSecond": 5, "RequestsMaxBurst": 9}]}},
        ),
    ],
)
def test_enterprise_limits_rates_itself(fields: Any, native: Any) -> None:
    assert limit_fields("page", limit(**fields), ENTERPRISE) == {"RateLimits": native}


@pytest.mark.parametrize(
    "fields",
    [
        {"per_caller": {"requests_per_second": 5}},
        {"requests_per_second": 5, "per_caller": {"requests_per_second": 5}},
        {"requests_per_second": 0.5},
        {"requests_per_second": 5, "burst": 2},
        {"routes": ({"path_prefix": "/a", "methods": ("GET",), "requests_per_second": 5},)},
        {"routes": ({"path_prefix": "/a", "per_caller": {"requests_per_second": 5}},)},
        {"requests_per_second": 9, "routes": ({"path_prefix": "/a", "requests_per_second": 5},)},
    ],
)
def test_what_enterprise_has_no_words_for_is_filtered_there_too(fields: Any) -> None:
    assert limit_fields("page", limit(**fields), ENTERPRISE).keys() == {"EnvoyExtensions"}


def test_connections_are_balanced_where_several_workers_share_a_rate() -> None:
    of_rate = limit_fields("page", limit(requests_per_second=5), Proxies(workers=2))
    assert of_rate["BalanceInboundConnections"] == "exact_balance"
    assert "BalanceInboundConnections" not in limit_fields("page", limit(max_inbound_connections=5), Proxies(workers=2))
    assert "BalanceInboundConnections" not in limit_fields("page", limit(requests_per_second=5), Proxies())


def test_a_gateways_rate_is_divided_by_its_own_workers() -> None:
    of_one = limit_fields("gateway", limit(requests_per_second=5), Proxies(workers=4), gateway=True)
    assert of_one == limit_fields("gateway", limit(requests_per_second=5), Proxies(), gateway=True)


def test_the_last_limit_on_a_service_counts_and_stands_for_all() -> None:
    found = in_force(rate_limited().limits)
    assert sorted(found) == ["gateway", "productpage", "reviews"]
    assert found["productpage"].max_inbound_connections is None


def test_through_a_limit_opens_every_grant_and_limits_no_further() -> None:
    whole = rate_limited()
    first = whole.through("one-connection")
    assert first.grants == whole.grants
    assert list(first.limits) == ["one-connection"]
    assert list(whole.through("details-viewer").limits) == list(whole.limits), "opening in part is never less limited"
    with pytest.raises(InputError, match="has no grant or limit 'fair-shar'; did you mean 'fair-share'"):
        whole.through("fair-shar")


def test_limits_are_said_in_words() -> None:
    found = {service: limit_words(each) for service, each in in_force(rate_limited().limits).items()}
    of_ratings = (
        "32 connections at once",
        "32 pending requests at once",
        "64 requests at once",
        "without an instance for 10 s after 5 failures in a row",
        "looking each 5 s who comes back",
        "leaving out 50 % of them at most",
    )
    assert found == {
        "productpage": ["2/s of /login, burst 4", "20/s per caller, burst 40"],
        "gateway": ["10/s in all, burst 20"],
        "reviews": [f"to ratings {', '.join(of_ratings)}"],
    }


def test_changes_are_said_in_words() -> None:
    old, new = limit(requests_per_second=5, max_inbound_connections=3), limit(requests_per_second=50)
    assert limit_changes({"page": old}, {"page": new}) == [
        ("page", "page: unlimited connections, was 3 connections at once", True),
        ("page", "page: 50/s in all, burst 50, was 5/s in all, burst 5", True),
    ]
    assert limit_changes({}, {"page": limit(per_caller={"requests_per_second": 5})}) == [
        ("page", "page: 5/s per caller, burst 5, was unlimited", False)
    ]
    assert limit_changes({"page": old}, {"page": old}) == []


@pytest.mark.parametrize(
    ("old", "new", "loosens"),
    [
        ({"requests_per_second": 5, "burst": 5}, {"requests_per_second": 4, "burst": 5}, False),
        ({"requests_per_second": 5, "burst": 5}, {"requests_per_second": 4, "burst": 6}, True),
        ({"max_inbound_connections": 5}, {"max_inbound_connections": 6}, True),
        ({"upstreams": {"r": {"max_connections": 5}}}, {"upstreams": {"r": {"max_pending_requests": 5}}}, True),
        (checked(max_failures=5), checked(max_failures=6), True),
        (checked(max_failures=5), checked(max_failures=5, max_ejection_percent=10), True),
        (checked(max_failures=5), checked(max_failures=5, max_ejection_percent=90), False),
        (
            {"upstreams": {"r": {"max_connections": 5}}},
            {"upstreams": {"r": {"max_connections": 5, "max_pending_requests": 5}}},
            False,
        ),
    ],
)
def test_a_change_loosens_where_any_figure_of_it_grows(old: Any, new: Any, loosens: bool) -> None:  # noqa: FBT001
    [change] = limit_changes({"page": limit(**old)}, {"page": limit(**new)})
    assert change.loosens is loosens


ALL_LOG = {"path_prefix": "/log", "requests_per_second": 3}
LOGIN = {"path_exact": "/login", "requests_per_second": 2}
READ = {"methods": ("GET",), "requests_per_second": 9}
FEW_EACH = {"per_caller": {"requests_per_second": 1}}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ([ALL_LOG], [ALL_LOG], []),
        ([], [LOGIN], [("2/s of /login, burst 2, was unlimited", False)]),
        ([LOGIN], [], [("unlimited of /login, was 2/s of /login, burst 2", True)]),
        ([LOGIN], [LOGIN | {"burst": 9}], [("2/s of /login, burst 9, was 2/s of /login, burst 2", True)]),
        (
            [ALL_LOG],
            [LOGIN, ALL_LOG],
            [("2/s of /login, burst 2, and 3/s of /log..., burst 3, was 3/s of /log..., burst 3", True)],
        ),
        ([ALL_LOG], [ALL_LOG, LOGIN], []),
        ([ALL_LOG], [LOGIN], [("2/s of /login, burst 2, else unlimited, was 3/s of /log..., burst 3", True)]),
        (
            [LOGIN],
            [ALL_LOG, LOGIN],
            [
                ("3/s of /log..., burst 3, was 2/s of /login, burst 2", True),
                ("3/s of /log..., burst 3, was unlimited", False),
            ],
        ),
        (
            [ALL_LOG],
            [{"path_prefix": "/", "requests_per_second": 2}],
            [
                ("2/s of /..., burst 2, was 3/s of /log..., burst 3", False),
                ("2/s of /..., burst 2, was unlimited", False),
            ],
        ),
        (
            [LOGIN, ALL_LOG],
            [ALL_LOG, LOGIN],
            [("3/s of /log..., burst 3, was 2/s of /login, burst 2", True)],
        ),
        (
            [ALL_LOG, LOGIN],
            [LOGIN, ALL_LOG],
            [("2/s of /login, burst 2, and 3/s of /log..., burst 3, was 3/s of /log..., burst 3", True)],
        ),
        (
            [LOGIN],
            [READ, LOGIN],
            [
                ("9/s of GET any path, burst 9, and 2/s of /login, burst 2, was 2/s of /login, burst 2", True),
                ("9/s of GET any path, burst 9, was unlimited", False),
            ],
        ),
        ([ALL_LOG], [ALL_LOG | FEW_EACH], [("1/s of /log... per caller, burst 1, was unlimited", False)]),
        (
            [ALL_LOG | FEW_EACH],
            [LOGIN, ALL_LOG | FEW_EACH],
            [
                ("2/s of /login, burst 2, and 3/s of /log..., burst 3, was 3/s of /log..., burst 3", True),
                ("1/s of /log... per caller, burst 1, else unlimited, was 1/s of /log... per caller, burst 1", True),
            ],
        ),
    ],
)
def test_a_route_changes_what_those_after_it_still_meet(old: Any, new: Any, said: Any) -> None:
    before, after = (limit(max_inbound_connections=1, routes=tuple(each) or None) for each in (old, new))
    found = limit_changes({"page": before}, {"page": after})
    assert [(change.words.removeprefix("page: "), change.loosens) for change in found] == said


@pytest.mark.parametrize(("written", "percent"), [({}, 10), ({"MaxEjectionPercent": 0}, 0)])
def test_how_many_a_check_may_leave_out_is_envoy_s_default_where_an_entry_does_not_say(
    written: Any, percent: int
) -> None:
    override = {"Name": "r", "PassiveHealthCheck": {"MaxFailures": 5, **written}}
    read = limit_of({"UpstreamConfig": {"Overrides": [override]}})
    assert read
    assert read.upstreams
    check = read.upstreams["r"].passive_health_check
    assert check
    assert check.max_ejection_percent == percent


@pytest.mark.parametrize("nothing", [0, -5, "many", True, float("inf"), float("nan")])
def test_what_is_no_positive_number_is_read_as_no_limit(nothing: Any) -> None:
    level = {"RequestsPerSecond": nothing, "Routes": [{"PathExact": "/", "RequestsPerSecond": nothing}]}
    upstream = {"Name": "r", "Limits": {"MaxConnections": nothing}, "PassiveHealthCheck": {"MaxFailures": nothing}}
    assert limit_of({"RateLimits": {"InstanceLevel": level}}) is None
    assert limit_of({"MaxInboundConnections": nothing, "UpstreamConfig": {"Overrides": [upstream]}}) is None


def test_a_rate_below_one_a_second_for_each_worker_is_said_to_be_slow() -> None:
    slow = {"page": limit(requests_per_second=1, per_caller={"requests_per_second": 20})}
    assert slow_words(slow, Proxies(), "gateway") == []
    assert slow_words(slow, Proxies(workers=2), "page") == [], "the gateway's has one"
    [said] = slow_words(slow, Proxies(workers=2), "gateway")
    assert said.startswith("page: 1/s in all is one request in 2 s for each of 2 workers; ")


def _written(folder: Path, name: str, limits: str, extends: str = "layered-allow") -> Posture:
    (folder / f"{name}.yaml").write_text(f"description: {name}\nextends: {extends}\nlimits:\n{limits}")
    return load_posture(folder, name, load_application(ROOT / "apps" / "bookinfo.yaml"))


def test_a_limit_that_an_extending_posture_writes_anew_is_in_force(tmp_path: Path) -> None:
    shutil.copy(ROOT / "stacks" / "layered-allow.yaml", tmp_path)
    tight, fair = (
        "  tight: {on: productpage, requestsPerSecond: 5}\n",
        "  fair: {on: productpage, requestsPerSecond: 9}\n",
    )
    _written(tmp_path, "base", tight.replace("5", "50") + fair)
    posture = _written(tmp_path, "anew", tight, extends="base")
    assert posture.layers[-2:] == ["fair", "tight"]
    assert in_force(posture.limits)["productpage"].requests_per_second == 5


@pytest.mark.parametrize("path", ["/static/x?q=", "/static/x#y"])
def test_a_rate_of_a_path_that_no_request_has_is_refused(path: str, tmp_path: Path) -> None:
    """Rates go by the path up to its query."""
    shutil.copy(ROOT / "stacks" / "layered-allow.yaml", tmp_path)
    with pytest.raises(InputError, match=r"is no valid 'pathPrefix'"):
        _written(tmp_path, "p", f"  productpage: {{routes: [{{pathPrefix: '{path}', requestsPerSecond: 5}}]}}\n")
