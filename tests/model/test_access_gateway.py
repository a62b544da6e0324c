"""The way in through an API gateway; all answers were measured on Envoy 1.36.4, configured by Consul 1.22.7."""

from __future__ import annotations

from typing import Any

import pytest

from posture.model.access import Access, Arrival
from posture.model.entries import Entry, Kind
from posture.model.routes import Passage

LISTENERS = [
    {"Name": "l", "Port": 8443, "Protocol": "http", "Hostname": "shop.test"},
    {"Name": "w", "Port": 8444, "Protocol": "http", "Hostname": "*.shop.test"},
    {"Name": "any", "Port": 8445, "Protocol": "http"},
]
Matches = list[tuple[dict[str, Any], str]]


def at(kind: str, value: str, **more: object) -> dict[str, Any]:
    return {"Path": {"Match": kind, "Value": value}, **more}


STRICT = {
    "MergeSlashes": True,
    "PathWithEscapedSlashesAction": "REJECT_REQUEST",
    "HeadersWithUnderscoresAction": "REJECT_REQUEST",
}


def access(matches: Matches, listener: str = "l", hosts: tuple[str, ...] = ("shop.test",), **filters: object) -> Access:
    rules = [{"Matches": [match], "Services": [{"Name": name}], "Filters": filters} for match, name in matches]
    parents = [{"Kind": "api-gateway", "Name": "gw", **({"SectionName": listener} if listener else {})}]
    allow = {"Sources": [{"Name": "gw", "Action": "allow"}]}
    return Access(
        [
            Entry(Kind.MESH, "mesh", {"HTTP": {"Incoming": {"RequestNormalization": STRICT}}}),
            *(Entry(Kind.SERVICE_DEFAULTS, name, {"Protocol": "http"}) for name in ("d1", "d2")),
            Entry(Kind.SERVICE_INTENTIONS, "d1", allow),
            Entry(Kind.SERVICE_INTENTIONS, "d2", {"Sources": [{"Name": "gw", "Action": "deny"}]}),
            Entry(Kind.API_GATEWAY, "gw", {"Listeners": LISTENERS}),
            Entry(Kind.HTTP_ROUTE, "r", {"Parents": parents, "Hostnames": list(hosts), "Rules": rules}),
        ]
    )  # fmt: skip


def status(model: Access, path: str, destination: str = "d1", **more: Any) -> int | None:
    return model.enter(Arrival("gw", path=path, **more), destination).status


SHOP: Matches = [
    (at("exact", "/productpage"), "d1"),
    (at("prefix", "/static"), "d1"),
    (at("regex", "/v[0-9]+/x"), "d1"),
    (at("prefix", "/slash/"), "d1"),
]
ROUTED = ["/productpage", "/productpage?x", "/static", "/staticx", "/static/a", "/static/../login", "/static/%2e%2e/x"]
ROUTED += ["/v1/x", "/v1/x?q", "/slash/", "/static//a", "/static\\a"]
NOT_ROUTED = [
    "/productpage/",
    "/productpagex",
    "//static",
    "/%73tatic",
    "/STATIC",
    "/v1/xy",
    "/none",
    "/slash",
    "/slash?/",
]
NOT_ROUTED += ["/x/../static"]


@pytest.mark.parametrize("path", ROUTED)
def test_a_path_with_a_route_is_passed_on(path: str) -> None:
    assert status(access(SHOP), path) == 200


@pytest.mark.parametrize("path", NOT_ROUTED)
def test_a_path_without_a_route_is_not_found(path: str) -> None:
    assert status(access(SHOP), path) == 404


def test_the_sidecar_behind_refuses_what_the_gateway_lets_by() -> None:
    model = access(SHOP)
    assert status(model, "/static/..%2fx") == 400
    assert status(model, "/static", headers={"x_y": "1"}) == 400
    assert status(model, "/static#f") == 400


def test_a_route_does_not_replace_an_intention() -> None:
    found = access([(at("prefix", "/deny"), "d2")]).enter(Arrival("gw", path="/deny"), "d2")
    assert (found.status, found.rule) == (403, "service-intentions/d2 source gw")


def test_a_request_reaches_only_the_service_of_its_route() -> None:
    found = access([(at("prefix", "/deny"), "d2")]).enter(Arrival("gw", path="/deny"), "d1")
    assert (found.allowed, found.rule, found.why) == (False, "http-route/r match 1", "leads to d2 instead")


@pytest.mark.parametrize("host", ["shop.test", "shop.test:8443", "SHOP.test"])
def test_its_own_host_is_served(host: str) -> None:
    assert status(access(SHOP), "/static", host=host) == 200


@pytest.mark.parametrize("host", ["shop.test:80", "other", "www.shop.test", "shop.test."])
def test_another_host_is_not_found(host: str) -> None:
    assert status(access(SHOP), "/static", host=host) == 404


def test_the_first_of_equally_long_matches_wins_even_over_an_exact_path() -> None:
    prefix, exact = (at("prefix", "/same"), "d1"), (at("exact", "/same"), "d2")
    assert status(access([prefix, exact]), "/same", "d1") == 200
    assert status(access([exact, prefix]), "/same", "d2") == 403
    assert status(access([exact, prefix]), "/samex", "d1") == 200


def test_the_longest_value_wins_whatever_its_kind() -> None:
    rules = [(at("regex", "/.*longer"), "d1"), (at("prefix", "/long"), "d2"), (at("prefix", "/longlonglong"), "d2")]
    model = access(rules)
    assert status(model, "/longlonglonger", "d2") == 403
    assert status(model, "/long", "d2") == 403
    assert status(model, "/longer", "d1") == 200


def test_methods_choose_a_route() -> None:
    model = access([(at("prefix", "/m", Method="GET"), "d1"), (at("prefix", "/m"), "d2")])
    assert status(model, "/m", "d1") == 200
    assert status(model, "/m", "d2", method="POST") == 403


HEADERS = {
    "exact": ("v", ["v"], [None, "w"]),
    "present": ("", ["", "1"], [None]),
    "regex": ("a+", ["aa"], [None, "aab"]),
}


@pytest.mark.parametrize(("kind", "wanted"), HEADERS.items())
def test_headers_choose_a_route(kind: str, wanted: tuple[str, list[str], list[str | None]]) -> None:
    value, accepted, refused = wanted
    model = access([(at("prefix", "/h", Headers=[{"Match": kind, "Name": "X-K", "Value": value}]), "d1")])
    assert all(status(model, "/h", headers={"x-k": each}) == 200 for each in accepted)
    assert all(status(model, "/h", headers={} if each is None else {"x-k": each}) == 404 for each in refused)


QUERIES = {
    "exact": ("1", ["?a=1", "?b=1&a=1", "?a=1&a=2"], ["", "?a=2", "?a", "?a=2&a=1", "?A=1", "?a=%31", "?a=1;b=2"]),
    "present": ("", ["?a", "?a=", "?a=1"], ["", "?b"]),
    "regex": ("[0-9]", ["?a=1"], ["", "?a=12"]),
}


@pytest.mark.parametrize(("kind", "wanted"), QUERIES.items())
def test_query_parameters_choose_a_route(kind: str, wanted: tuple[str, list[str], list[str]]) -> None:
    value, accepted, refused = wanted
    model = access([(at("prefix", "/q", Query=[{"Match": kind, "Name": "a", "Value": value}]), "d1")])
    assert [status(model, f"/q{query}") for query in accepted] == [200] * len(accepted)
    assert [status(model, f"/q{query}") for query in refused] == [404] * len(refused)


def test_a_rule_without_matches_takes_every_path() -> None:
    model = access([({}, "d1")])
    assert status(model, "/anything") == 200


def test_a_wildcard_listener_serves_the_routes_hosts_below_it() -> None:
    model = access([({}, "d1")], "w", ("a.shop.test", "shop.test", "a.other"))
    answers = {
        host: status(model, "/", host=host, listener="w") for host in ("a.shop.test", "a.shop.test:8444", "shop.test")
    }
    assert set(answers.values()) == {200}
    assert [status(model, "/", host=host, listener="w") for host in ("b.shop.test", "a.other")] == [404, 404]


def test_a_route_without_hosts_takes_those_of_its_listener() -> None:
    model = access([({}, "d1")], "w", ())
    assert [status(model, "/", host=host, listener="w") for host in ("a.shop.test", "b.shop.test")] == [200, 200]
    assert [status(model, "/", host=host, listener="w") for host in ("shop.test", "a.other")] == [404, 404]
    everywhere = access([({}, "d1")], "any", ())
    assert [status(everywhere, "/", host=host, listener="any") for host in ("x", "shop.test")] == [200, 200]


def test_a_route_without_a_section_is_bound_to_every_listener() -> None:
    model = access([(at("prefix", "/s"), "d1")], "", ())
    assert status(model, "/s") == 200
    assert status(model, "/s", host="a.shop.test", listener="w") == 200


def test_a_rewritten_path_is_what_the_sidecar_judges() -> None:
    # measured: a prefix is rewritten as text, so /ax becomes /bx
    model = access([(at("prefix", "/a"), "d1")], URLRewrite={"Path": "/b"})
    allow = {"Action": "allow", "HTTP": {"PathPrefix": "/b"}}
    entries = [entry for entry in model.entries if entry.name != "d1" or entry.kind != "service-intentions"]
    rules = Entry(Kind.SERVICE_INTENTIONS, "d1", {"Sources": [{"Name": "gw", "Permissions": [allow]}]})
    judged = Access([*entries, rules])
    assert [status(judged, path) for path in ("/a", "/a/c", "/ax")] == [200, 200, 200]


REWRITTEN = [
    # measured: a rewrite to / swallows the slash after a prefix, and leaves exact paths as they are
    (at("prefix", "/a"), "/", {"/a//b?c=/": "//b?c=/", "/a/b": "/b", "/ab": "/b", "/a": "/"}),
    (at("exact", "/a/b"), "/", {"/a/b": "/a/b"}),
    (at("exact", "/a/b"), "/c", {"/a/b?x": "/c?x"}),
    (at("regex", "/a.*"), "/c", {"/a/b?x": "/c?x"}),
    (at("regex", "/a.*"), "/", {"/a/b": "/a/b"}),
]


@pytest.mark.parametrize(
    ("match", "rewrite", "sent", "target"),
    [(match, rewrite, sent, target) for match, rewrite, targets in REWRITTEN for sent, target in targets.items()],
)
def test_a_rewritten_path_is(match: dict[str, Any], rewrite: str, sent: str, target: str) -> None:
    passage = access([(match, "d1")], URLRewrite={"Path": rewrite})._routes.pass_on(Arrival("gw", path=sent))
    assert isinstance(passage, Passage)
    assert passage.path == target


def test_a_route_removes_then_adds_to_a_header_or_sets_it() -> None:
    changes = [{"Add": {"X-A": "2"}, "Set": {"X-B": "2"}, "Remove": ["X-C"]}]
    sent = Arrival("gw", path="/", headers={"x-a": "1", "x-b": "1", "x-c": "1"})
    passage = access([(at("prefix", "/"), "d1")], Headers=changes)._routes.pass_on(sent)
    assert isinstance(passage, Passage)
    assert {name: value for name, value in passage.headers.items() if name != "host"} == {"x-a": "1,2", "x-b": "2"}


@pytest.mark.parametrize("listener", ["none", ""])
def test_an_unknown_gateway_or_listener_answers_nothing(listener: str) -> None:
    gateway = "gw" if listener else "other"
    found = access(SHOP).enter(Arrival(gateway, path="/static", listener=listener), "d1")
    assert (found.allowed, found.status) == (False, None)


@pytest.mark.parametrize(
    ("port", "tls", "host"),
    [
        (8443, {"Certificates": []}, "shop.test:8443"),
        (443, {"MinVersion": "TLSv1_3"}, "shop.test"),
        (80, None, "shop.test"),
    ],
)
def test_the_service_behind_sees_the_host_that_clients_send(port: int, tls: object, host: str) -> None:
    listener = {"Name": "l", "Port": port, "Protocol": "http", "Hostname": "shop.test", **({"TLS": tls} if tls else {})}
    gateway = Entry(Kind.API_GATEWAY, "gw", {"Listeners": [listener]})
    routed = [each for each in access([(at("prefix", "/"), "d1")]).entries if each.label != gateway.label]
    [passage] = [Access([*routed, gateway])._routes.pass_on(Arrival("gw"))]
    assert isinstance(passage, Passage)
    assert passage.headers["host"] == host


def test_a_host_in_capitals_is_served_and_goes_on_as_it_is() -> None:
    passage = access([(at("prefix", "/"), "d1")])._routes.pass_on(Arrival("gw", host="SHOP.test:8443"))
    assert isinstance(passage, Passage)
    assert passage.headers["host"] == "SHOP.test:8443"


def test_what_visitors_say_of_certificates_goes_no_further() -> None:
    sent = Arrival("gw", headers={"X-Forwarded-Client-Cert": "By=me"})
    passage = access([(at("prefix", "/"), "d1")])._routes.pass_on(sent)
    assert isinstance(passage, Passage)
    assert passage.headers.keys() == {"host"}


def test_the_hostname_that_serves_a_request_is_no_condition_that_it_fails() -> None:
    model = access([(at("exact", "/a"), "d1")], listener="w", hosts=())
    [(_, failed)] = model.near(Arrival("gw", path="/b", listener="w", host="a.shop.test"), "d1")
    assert failed == ["path is /a"]
