"""Matrices and differences: what is asked, what counts as wider, and that nothing is scanned twice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from posture.model.access import Access, Decision, Request
from posture.model.application import Call, Route, load_application
from posture.model.difference import Difference, Risk, Unshown, compare, difference, matrices
from posture.model.entries import Entry, Kind, compile_entries
from posture.model.limiter import lua_of
from posture.model.limits import Limit
from posture.model.matrix import UNKNOWN, Sample, matrix, samples
from posture.model.posture import Grant, HeaderMatch, Permission, Posture, load_posture

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from posture.model.application import Application

ROOT = Path(__file__).parents[2]
PEERS = {"Name": "productpage", "Peer": "cluster2", "Action": "allow"}


@pytest.fixture(scope="module")
def bookinfo() -> Application:
    return load_application(ROOT / "apps" / "bookinfo.yaml")


def access_of(application: Application, name: str, through: str | None = None) -> Access:
    posture = load_posture(ROOT / "stacks", name, application)
    return Access(compile_entries(application, posture.through(through) if through else posture))


def of_grants(application: Application, *grants: Grant) -> Access:
    return Access(compile_entries(application, Posture(description="d", grants=grants, limits={})))


def grant(source: str = "productpage", destination: str = "details", **permission: object) -> Grant:
    permissions = (Permission.model_validate(permission, by_name=True),) if permission else None
    return Grant(name="g", source=source, destination=destination, permissions=permissions)


def opened(application: Application, old: Access, new: Access) -> set[tuple[str, str, str, Risk | None]]:
    found = compare(application, ("old", old), ("new", new))
    return {(change.cell.source, change.cell.method, change.cell.path, change.risk) for change in found.opened}


def test_samples_are_the_calls_another_method_and_a_path_outside(bookinfo: Application) -> None:
    assert [sample for sample in samples(bookinfo) if sample.destination == "details"] == [
        Sample("details", "GET", "/details/0"),
        Sample("details", "POST", "/details/0"),
        Sample("details", "GET", "/"),
    ]


def test_every_caller_is_asked_about_every_sample_but_of_itself(bookinfo: Application) -> None:
    found = matrix(access_of(bookinfo, "baseline"), bookinfo)
    pairs = {(cell.source, cell.destination) for cell in found.cells()}
    sources = {"gateway", "fortio", "productpage", "details", "reviews", "ratings", UNKNOWN}
    assert pairs == {(source, to) for source in sources for to in bookinfo.services if source != to}


@pytest.mark.parametrize("name", ["baseline", "deny-all", "layered-allow", "rate-limited"])
def test_a_cell_is_what_the_access_model_decides(bookinfo: Application, name: str) -> None:
    access = access_of(bookinfo, name)
    for cell in matrix(access, bookinfo).cells():
        if cell.source != "gateway":
            decision = access.decide(Request(cell.source, cell.destination, cell.method, cell.path))
            assert (cell.allowed, cell.rule) == (decision.allowed, decision.rule), cell


def test_the_gateway_is_asked_for_what_it_routes(bookinfo: Application) -> None:
    found = {
        (cell.destination, cell.path): cell.rule
        for cell in matrix(access_of(bookinfo, "baseline"), bookinfo).cells()
        if cell.source == "gateway" and cell.method == "GET"
    }
    assert found["productpage", "/login"] == "service-intentions/productpage source gateway"
    assert found["productpage", "/"] == "api-gateway/gateway listener https"


def test_a_posture_does_not_differ_from_itself(bookinfo: Application) -> None:
    same = ("baseline", access_of(bookinfo, "baseline"))
    assert not compare(bookinfo, same, same)


def test_a_caller_that_had_nothing_is_a_new_caller(bookinfo: Application) -> None:
    found = opened(bookinfo, of_grants(bookinfo), of_grants(bookinfo, grant(path_prefix="/details/", methods=("GET",))))
    assert found == {("productpage", "GET", path, Risk.NEW_CALLER) for path in ("/details/", "/details/0")}


def test_another_method_is_a_new_method(bookinfo: Application) -> None:
    old = of_grants(bookinfo, grant(path_prefix="/details/", methods=("GET",)))
    new = of_grants(bookinfo, grant(path_prefix="/details/", methods=("GET", "POST")))
    paths = ("/details/", "/details/0")
    assert opened(bookinfo, old, new) == {("productpage", "POST", path, Risk.NEW_METHOD) for path in paths}


def test_a_shorter_prefix_is_a_wider_path_though_no_call_uses_it(bookinfo: Application) -> None:
    old = of_grants(bookinfo, grant(path_prefix="/details/", methods=("GET",)))
    new = of_grants(bookinfo, grant(path_prefix="/details", methods=("GET",)))
    paths = ("/details", "/details0")
    assert opened(bookinfo, old, new) == {("productpage", "GET", path, Risk.WIDER_PATH) for path in paths}


def test_the_default_policy_is_named_where_it_opens(bookinfo: Application) -> None:
    entries = compile_entries(bookinfo, Posture(description="d", grants=(grant(methods=("GET",)),), limits={}))
    found = opened(bookinfo, Access(entries), Access(entries, default="allow"))
    assert {risk for _, _, _, risk in found} == {Risk.DEFAULT_CHANGED}


def test_the_widest_change_comes_first(bookinfo: Application) -> None:
    old = of_grants(bookinfo, grant(path_exact="/details/0", methods=("GET",)))
    wider = grant(path_prefix="/", methods=("GET", "POST"))
    new = of_grants(bookinfo, wider, Grant(name="h", source="fortio", destination="details"))
    risks = [change.risk for change in compare(bookinfo, ("old", old), ("new", new)).opened]
    order = [risk for risk in Risk if risk in risks]
    assert list(dict.fromkeys(risks)) == order
    assert set(risks) == {Risk.NEW_CALLER, Risk.NEW_METHOD, Risk.WIDER_PATH}


def test_what_closes_is_what_opens_the_other_way(bookinfo: Application) -> None:
    one, other = (("a", access_of(bookinfo, "baseline")), ("b", access_of(bookinfo, "layered-allow")))
    there, back = compare(bookinfo, one, other), compare(bookinfo, other, one)

    def calls(found: Difference, kind: str) -> set[tuple[str, ...]]:
        return {change.cell[:4] for change in getattr(found, kind)}

    assert calls(there, "opened") == calls(back, "closed")
    assert calls(there, "closed") == calls(back, "opened")


def test_answers_that_stay_are_said_once_for_all_callers_without_a_rule(bookinfo: Application) -> None:
    nothing, some = Access(()), of_grants(bookinfo, grant(path_exact="/x"))
    found = compare(bookinfo, ("nothing", nothing), ("some", some))
    about = [change.cell for change in found.changed if change.cell.destination == "details"]
    assert {cell.source for cell in about} == {"gateway", UNKNOWN}
    assert not any(cell.allowed for cell in about)
    assert {change.cell.source for change in found.opened} == {"productpage"}
    everybody = compare(bookinfo, ("some", some), ("all", Access((), default="allow"))).opened
    assert {change.cell.source for change in everybody} >= {"fortio", "reviews", UNKNOWN}


def test_a_limit_is_an_edit_and_opens_nothing(bookinfo: Application) -> None:
    layered, limited = access_of(bookinfo, "layered-allow"), access_of(bookinfo, "rate-limited", "one-connection")
    found = compare(bookinfo, ("a", layered), ("b", limited))
    [edit] = found.edits
    assert edit == ("service-defaults/productpage", "MaxInboundConnections", None, 1)
    assert found.limits == (("productpage", "productpage: 1 connection at once, was unlimited", False),)
    assert (found.opened, found.closed, found.changed) == ((), (), ())


def test_a_change_of_rates_is_said_in_words_and_shown_by_its_parameters(bookinfo: Application) -> None:
    found = compare(
        bookinfo,
        ("a", access_of(bookinfo, "rate-limited", "one-connection")),
        ("b", access_of(bookinfo, "rate-limited", "fair-share")),
    )
    assert [each.words for each in found.limits] == [
        "productpage: unlimited connections, was 1 connection at once",
        "productpage: 2/s of /login, burst 4, was unlimited",
        "productpage: 20/s per caller, burst 40, was unlimited",
    ]
    connections, extensions = found.edits
    assert connections == ("service-defaults/productpage", "MaxInboundConnections", 1, None)
    assert extensions.after["builtin/lua"]["Arguments"]["Script"]["limits"][1] == {
        "of": "caller",
        "name": "20/s per caller",
        "rate": 20,
        "burst": 40,
    }


def test_a_condition_on_a_header_is_an_edit(bookinfo: Application) -> None:
    header = (HeaderMatch(name="x-key", present=True),)
    old, new = (of_grants(bookinfo, grant(path_exact="/x", header=header)), of_grants(bookinfo, grant(path_exact="/x")))
    found = compare(bookinfo, ("a", old), ("b", new))
    assert [edit.field for edit in found.edits] == ["Sources.productpage.Permissions"]
    assert {change.cell.path for change in found.opened} == {"/x"}
    assert found.unshown == ()


def grants_of(*permissions: Mapping[str, object], source: str = "productpage", to: str = "details") -> Grant:
    made = tuple(Permission.model_validate(each, by_name=True) for each in permissions) or None
    return Grant(name=f"{source}-{to}", source=source, destination=to, permissions=made)


READS = {"path_prefix": "/details/", "methods": ("GET",)}
PRESENT = (HeaderMatch(name="user-agent", present=True),)
OPENINGS: dict[str, tuple[Grant, Grant, set[tuple[str, str]], tuple[tuple[str, str], ...]]] = {
    "a method more on the paths that the gateway routes": (
        grants_of({"path_prefix": "/", "methods": ("GET",)}, source="gateway", to="productpage"),
        grants_of({"path_prefix": "/", "methods": ("GET", "DELETE")}, source="gateway", to="productpage"),
        {("DELETE", path) for path in ("/api/v1/products", "/login", "/logout", "/productpage", "/static")},
        (),
    ),
    "any method on a second path": (
        grants_of(READS, {"path_exact": "/admin", "methods": ("GET",)}),
        grants_of(READS, {"path_exact": "/admin"}),
        {("POST", "/admin")},
        (),
    ),
    "a regular expression": (
        grants_of(READS),
        grants_of({"path_regex": "/(details|admin)/.*", "methods": ("GET",)}),
        set(),
        (("productpage", "details"),),
    ),
    "a caller with a header": (
        grants_of(READS),
        grants_of({"path_prefix": "/", "header": PRESENT}, source="fortio", to="ratings"),
        set(),
        (("fortio", "ratings"),),
    ),
    "a service by itself": (grants_of(READS), grants_of(source="details"), set(), (("details", "details"),)),
}


@pytest.mark.parametrize(("before", "after", "shown", "unshown"), OPENINGS.values(), ids=OPENINGS.keys())
def test_whatever_opens_is_shown_or_said(
    bookinfo: Application, before: Grant, after: Grant, shown: set[tuple[str, str]], unshown: tuple[object, ...]
) -> None:
    old = of_grants(bookinfo, before)
    new = of_grants(bookinfo, *([before, after] if before.name != after.name else [after]))
    found = compare(bookinfo, ("a", old), ("b", new))
    assert {(change.cell.method, change.cell.path) for change in found.opened} == shown
    assert found.unshown == unshown


def test_a_wider_route_of_the_gateway_is_shown(bookinfo: Application) -> None:
    routes = tuple(
        Route(prefix="/login", to="productpage") if each.exact == "/login" else each for each in bookinfo.gateway.routes
    )
    wider = bookinfo.model_copy(update={"gateway": bookinfo.gateway.model_copy(update={"routes": routes})})
    visitors = grants_of(source="gateway", to="productpage")
    old, new = (("a", of_grants(bookinfo, visitors)), ("b", of_grants(wider, visitors)))
    assert [(each.cell.path, each.risk) for each in compare(wider, old, new).opened] == [("/login0", Risk.WIDER_PATH)]


def test_a_limit_that_goes_with_its_service_is_none_that_is_loosened(bookinfo: Application) -> None:
    limit = {"x": Limit(on="details", max_inbound_connections=5)}
    services = {name: each.model_copy(update={"calls": ()}) for name, each in bookinfo.services.items()}
    whole = bookinfo.model_copy(update={"services": services, "clients": {}})
    fewer = whole.model_copy(update={"services": {name: each for name, each in services.items() if name != "details"}})
    old = Access(compile_entries(whole, Posture(description="d", limits=limit)))
    none = Posture(description="d", limits={})
    assert compare(fewer, ("a", old), ("b", Access(compile_entries(fewer, none)))).limits == ()
    assert len(compare(whole, ("a", old), ("b", Access(compile_entries(whole, none)))).limits) == 1


def test_the_order_of_sources_makes_no_difference(bookinfo: Application) -> None:
    sources = [{"Name": name, "Action": "allow"} for name in ("fortio", "productpage")]
    old, new = (Access([Entry(Kind.SERVICE_INTENTIONS, "details", {"Sources": s})]) for s in (sources, sources[::-1]))
    assert not compare(bookinfo, ("a", old), ("b", new))


def of_details(kind: Kind, **body: object) -> Access:
    return Access([Entry(kind, "details", body)])


def test_a_peers_source_is_beside_ours_of_the_same_name(bookinfo: Application) -> None:
    own = {"Name": "productpage", "Action": "allow"}
    old, new = (of_details(Kind.SERVICE_INTENTIONS, Sources=each) for each in ([own], [PEERS, own]))
    assert [(edit.field, edit.before, edit.after) for edit in compare(bookinfo, ("a", old), ("b", new)).edits] == [
        ('Sources.productpage {"Peer": "cluster2"}', None, PEERS)
    ]


@pytest.mark.parametrize("first", [True, False])
def test_a_foreign_extension_is_beside_our_limiter_of_the_same_name(bookinfo: Application, *, first: bool) -> None:
    own = {"Name": "builtin/lua", "Arguments": {"Script": lua_of("details", 1, [{"of": "all", "rate": 1, "burst": 1}])}}
    foreign = {"Name": "builtin/lua", "Arguments": {"Script": "-- lets all pass"}}
    both = [foreign, own] if first else [own, foreign]
    old, new = (of_details(Kind.SERVICE_DEFAULTS, EnvoyExtensions=each) for each in ([own], both))
    assert [(edit.field, edit.before, edit.after) for edit in compare(bookinfo, ("a", old), ("b", new)).edits] == [
        ("EnvoyExtensions.builtin/lua #2", None, foreign)
    ]


def test_what_may_open_is_a_difference_though_no_field_shows_it() -> None:
    found = Difference("a", "b", (), (), (), (), (), ())
    assert not found
    assert replace(found, unshown=(Unshown("productpage", "details"),))


@pytest.mark.parametrize("name", ["review.", "r.*s", "reviews|fortio", "unknow.", ".*", UNKNOWN, "("])
@pytest.mark.parametrize("destination", ["details", "*"])
def test_whoever_a_pattern_names_is_asked(bookinfo: Application, name: str, destination: str) -> None:
    access = Access([Entry(Kind.SERVICE_INTENTIONS, destination, {"Sources": [{"Name": name, "Action": "allow"}]})])
    for cell in matrix(access, bookinfo).cells():
        if cell.source != "gateway":
            assert cell.allowed == access.decide(Request(cell.source, cell.destination)).allowed, cell


def ring(bookinfo: Application, size: int) -> tuple[Application, list[Grant]]:
    """Services that each call the one before, and a grant for each of these calls."""
    service = bookinfo.services["details"]
    names = [f"s{i}" for i in range(size)]
    services = {
        name: service.model_copy(update={"calls": (Call(to=names[i - 1], path="/"),)}) for i, name in enumerate(names)
    }
    gateway = bookinfo.gateway.model_copy(update={"routes": ()})
    application = bookinfo.model_copy(update={"services": services, "clients": {}, "gateway": gateway})
    return application, [grant(name, names[i - 1]) for i, name in enumerate(names)]


def test_a_thousand_services_take_one_decision_a_rule(bookinfo: Application) -> None:
    """Counts decisions, for time depends on the machine: not the square of the services, but one a rule."""
    application, grants = ring(bookinfo, 100)
    asked: list[str] = []

    class Counting(Access):
        def decide_each(self, sources: Iterable[str], request: Request) -> dict[str, Decision]:
            sources = list(sources)
            asked.extend(sources)
            return super().decide_each(sources, request)

    access = Counting(of_grants(application, *grants).entries)
    found = matrix(access, application)
    rows = len(found.rows)
    assert len(asked) == 2 * rows
    assert sum(1 for _ in found.cells()) == rows * len(application.services) + rows


def test_a_difference_does_not_go_through_all_callers_for_each_sample(bookinfo: Application) -> None:
    application, grants = ring(bookinfo, 100)
    went_through = []

    class Counting(tuple[str, ...]):
        __slots__ = ()

        def __iter__(self) -> Iterator[str]:
            went_through.append(len(self))
            return super().__iter__()

    old, new = (of_grants(application, *some) for some in (grants, grants[1:]))
    before, after = matrices(application, ("a", old), ("b", new))
    found = difference(before, replace(after, sources=Counting(after.sources)))
    assert {change.cell.source for change in found.closed} == {"s0"}
    assert len(went_through) == 1
