"""Every kind of rule in pairs of what it lets in and what it doesn't.

All answers here were measured on Envoy 1.36.4, configured by Consul 1.22.7 from these very entries, with real leaf
certificates, unless a comment says otherwise.
"""

from __future__ import annotations

from typing import Any

import pytest

from posture.errors import InputError
from posture.model.access import Access, Request, decide
from posture.model.entries import Entry, Kind

ALL = {"PathPrefix": "/"}
X = {"PathExact": "/x"}
Rules = list[dict[str, Any]]


def allow(source: str) -> dict[str, Any]:
    return {"Name": source, "Action": "allow"}


def deny(source: str) -> dict[str, Any]:
    return {"Name": source, "Action": "deny"}


def layer7(source: str, *permissions: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    return {"Name": source, "Permissions": [{"Action": action, "HTTP": http} for action, http in permissions]}


def entries(d1: Rules, anywhere: Rules | None = None, protocol: str = "http", **more: object) -> list[Entry]:
    found = [
        Entry(Kind.SERVICE_DEFAULTS, "d1", {"Protocol": protocol}),
        Entry(Kind.SERVICE_INTENTIONS, "d1", {"Sources": d1, **more}),
    ]
    return [*found, Entry(Kind.SERVICE_INTENTIONS, "*", {"Sources": anywhere})] if anywhere else found


PRECEDENCE: dict[str, tuple[Rules, Rules, str, str]] = {
    # rules for d1, rules for *; what web/x other/x web/y other/y get (+ allowed) under default deny and default allow
    "none": ([], [], "----", "++++"),
    "* denied": ([deny("*")], [], "----", "----"),
    "an exact destination doesn't stop an exact source": ([deny("*")], [allow("web")], "+-+-", "----"),
    "nor does it save one": ([allow("*")], [deny("web")], "++++", "-+-+"),
    "exact destination before wildcard, allow": ([allow("*")], [deny("*")], "++++", "++++"),
    "exact destination before wildcard, deny": ([deny("*")], [allow("*")], "----", "----"),
    "exact source before wildcard": ([deny("web")], [allow("*")], "-+-+", "-+-+"),
    "same source, exact destination counts": ([deny("web")], [allow("web")], "----", "-+-+"),
    "exact source anywhere before any": ([], [allow("web"), deny("*")], "+-+-", "+-+-"),
    "L7 allow then default, not *": ([layer7("web", ("allow", X)), allow("*")], [], "++-+", "++++"),
    "L7 deny then default, not *": ([layer7("web", ("deny", X)), allow("*")], [], "-+-+", "-+++"),
    "L7 allow and * denied": ([layer7("web", ("allow", X)), deny("*")], [], "+---", "+-+-"),
    "L7 of anyone and an allow anywhere": ([layer7("*", ("allow", X))], [allow("web")], "+++-", "++++"),
    "L7 deny of anyone and an allow anywhere": (
        [layer7("*", ("deny", X), ("allow", ALL))],
        [allow("web")],
        "+-++",
        "--++",
    ),
    "L7 of anyone and a deny anywhere": ([layer7("*", ("deny", X), ("allow", ALL))], [deny("web")], "--++", "---+"),
    "exact deny before L7 of anyone": ([deny("web"), layer7("*", ("allow", X))], [], "-+--", "-+-+"),
    "first permission wins, allow": ([layer7("web", ("allow", X), ("deny", X))], [], "+---", "++++"),
    "first permission wins, deny": ([layer7("web", ("deny", X), ("allow", X))], [], "----", "-+++"),
}


@pytest.mark.parametrize(("d1", "anywhere", "by_deny", "by_allow"), PRECEDENCE.values(), ids=PRECEDENCE)
@pytest.mark.parametrize("default", ["deny", "allow"])
def test_precedence(d1: Rules, anywhere: Rules, by_deny: str, by_allow: str, default: str) -> None:
    access = Access(entries(d1, anywhere), default=default)
    asked = [(source, path) for path in ("/x", "/y") for source in ("web", "other")]
    found = "".join("+" if access.decide(Request(source, "d1", path=path)).allowed else "-" for source, path in asked)
    assert found == (by_deny if default == "deny" else by_allow)


H = dict[str, str]
MATCHES: list[tuple[dict[str, Any], list[str | tuple[str, H]], list[str | tuple[str, H]]]] = [
    (X, ["/x", "/x?y", "/x?", "/%78", "/a/../x"], ["/x/", "/X", "/xy", "/x%3f"]),
    ({"PathPrefix": "/x"}, ["/x", "/xy", "/x/y", "/x?y", "/y/../x"], ["/X", "/", "/x/../y"]),
    ({"PathPrefix": "/x/"}, ["/x/", "/x/y", "/x//y"], ["/x", "/x?/"]),
    ({"PathPrefix": "/a;"}, ["/a;b"], ["/a"]),
    ({"PathRegex": "/x"}, ["/x", "/x?y"], ["/xy", "/ax"]),
    ({"PathRegex": "/x|/y"}, ["/x", "/y"], ["/xy", "/x/y"]),
    ({"PathRegex": "/[0-9]+"}, ["/1", "/12", "/1?a"], ["/1a", "/"]),
    ({"PathRegex": "^/x$"}, ["/x"], ["/xy"]),
    ({"PathRegex": "(?i)/abc"}, ["/ABC", "/abc"], ["/abcd"]),
    ({"PathRegex": "/(?i:abc)[[:digit:]]"}, ["/ABC1"], ["/abcx"]),
    ({"PathRegex": r"/\pL+"}, ["/abc"], ["/1"]),
    ({"PathRegex": r"/x\?y"}, [], ["/x?y", "/x"]),
    ({"PathRegex": ".*"}, ["/x", "/"], []),
    ({"PathExact": "/x?y"}, [], ["/x?y", "/x"]),
    ({"PathExact": "/a%2fb"}, ["/a%2fb"], ["/a/b", "/a%2Fb"]),
    ({"Methods": ["GET", "HEAD"]}, ["/x", "HEAD /x"], ["POST /x", "PURGE /x", "get /x", "GETX /x"]),
    ({**X, "Methods": ["GET"]}, ["/x"], ["PURGE /x", "POST /x"]),
    (
        {"Header": [{"Name": "x-k", "Exact": "v"}]},
        [("/x", {"x-k": "v"}), ("/x", {"X-K": "v"})],
        ["/x", ("/x", {"x-k": "V"}), ("/x", {"x-k": "vv"}), ("/x", {"x-k": "v,v"})],
    ),
    ({"Header": [{"Name": "X-K", "Exact": "v"}]}, [("/x", {"x-k": "v"})], ["/x"]),
    ({"Header": [{"Name": "x-k", "Exact": "v,w"}]}, [("/x", {"x-k": "v,w"})], [("/x", {"x-k": "v"})]),
    ({"Header": [{"Name": "x-k", "Exact": "v", "IgnoreCase": True}]}, [("/x", {"x-k": "V"})], [("/x", {"x-k": "w"})]),
    (
        {"Header": [{"Name": "x-k", "Exact": "v", "Invert": True}]},
        [("/x", {"x-k": "w"}), ("/x", {"x-k": ""}), ("/x", {"x-k": "V"})],
        ["/x", ("/x", {"x-k": "v"})],  # an inverted condition wants the header to be there
    ),
    ({"Header": [{"Name": "x-k", "Present": True}]}, [("/x", {"x-k": "v"}), ("/x", {"x-k": ""})], ["/x"]),
    ({"Header": [{"Name": "x-k", "Present": True, "Invert": True}]}, ["/x"], [("/x", {"x-k": ""})]),
    ({"Header": [{"Name": "x-k", "Prefix": "ab"}]}, [("/x", {"x-k": "abc"})], ["/x", ("/x", {"x-k": "ABC"})]),
    ({"Header": [{"Name": "x-k", "Prefix": "ab", "IgnoreCase": True}]}, [("/x", {"x-k": "ABC"})], ["/x"]),
    (
        {"Header": [{"Name": "x-k", "Prefix": "ab", "Invert": True}]},
        [("/x", {"x-k": "x"})],
        ["/x", ("/x", {"x-k": "abc"})],
    ),
    ({"Header": [{"Name": "x-k", "Suffix": "ab"}]}, [("/x", {"x-k": "cab"})], ["/x", ("/x", {"x-k": "CAB"})]),
    (
        {"Header": [{"Name": "x-k", "Suffix": "ab", "IgnoreCase": True, "Invert": True}]},
        [("/x", {"x-k": "x"})],
        ["/x", ("/x", {"x-k": "CAB"})],
    ),
    ({"Header": [{"Name": "x-k", "Contains": "ab"}]}, [("/x", {"x-k": "xabx"})], ["/x", ("/x", {"x-k": "xABx"})]),
    ({"Header": [{"Name": "x-k", "Contains": "ab", "IgnoreCase": True}]}, [("/x", {"x-k": "xABx"})], ["/x"]),
    ({"Header": [{"Name": "x-k", "Regex": "a+"}]}, [("/x", {"x-k": "aa"})], ["/x", ("/x", {"x-k": "aab"})]),
    (
        {"Header": [{"Name": "x-k", "Regex": "a+", "Invert": True}]},
        [("/x", {"x-k": "aab"})],
        ["/x", ("/x", {"x-k": "aa"})],
    ),
    (
        {"Header": [{"Name": "x-k", "Exact": "v"}, {"Name": "x-j", "Exact": "w"}]},
        [("/x", {"x-k": "v", "x-j": "w"})],
        [("/x", {"x-k": "v"}), ("/x", {"x-j": "w"})],
    ),
    ({"Header": [{"Name": ":path", "Exact": "/x?y"}]}, ["/x?y"], ["/x"]),
    ({"Header": [{"Name": ":method", "Exact": "GET"}]}, ["/x"], ["POST /x"]),
    ({"Header": [{"Name": ":authority", "Exact": "d1"}]}, [("/x", {"host": "d1"})], [("/x", {"host": "other"})]),
    ({"Header": [{"Name": "host", "Exact": "d1"}]}, [("/x", {"host": "d1"})], [("/x", {"host": "other"})]),
]


@pytest.mark.parametrize(
    ("http", "accepted", "refused"), MATCHES, ids=lambda each: str(each) if "{" in str(each) else ""
)
def test_a_permission_accepts_and_refuses(http: dict[str, Any], accepted: list[Any], refused: list[Any]) -> None:
    access = Access(entries([layer7("web", ("allow", http))]))
    for wanted, asked in ((True, accepted), (False, refused)):
        for request in asked:
            line, headers = request if isinstance(request, tuple) else (request, {})
            method, _, path = line.rpartition(" ")
            decision = access.decide(Request("web", "d1", method or "GET", path, headers))
            assert decision.allowed is wanted, request


@pytest.mark.parametrize("pattern", ["/(x", "/(?=x)x"])
def test_an_expression_that_envoy_refuses_is_named(pattern: str) -> None:
    # measured: Consul accepts it; the sidecar refuses the update and goes on with its old rules
    with pytest.raises(InputError, match=r"source web permission 1: .* is no RE2 expression"):
        decide(entries([layer7("web", ("allow", {"PathRegex": pattern}))]), Request("web", "d1"))


@pytest.mark.parametrize(("rules", "default", "allowed"), [
    ([], "deny", False), ([], "allow", True), ([allow("web")], "deny", True), ([deny("web")], "allow", False),
])  # fmt: skip
def test_a_tcp_service_has_allow_and_deny(rules: Rules, default: str, *, allowed: bool) -> None:
    assert decide(entries(rules, protocol="tcp"), Request("web", "d1"), default=default).allowed is allowed


@pytest.mark.parametrize("default", ["allow", "deny"])
def test_permissions_deny_on_a_tcp_service(default: str) -> None:
    # not measured, for Consul refuses to write this; its source: "treat them as deny intentions"
    found = decide(entries([layer7("web", ("allow", ALL))], protocol="tcp"), Request("web", "d1"), default=default)
    assert (found.allowed, found.rule) == (False, "service-intentions/d1 source web")


@pytest.mark.parametrize("protocol", ["http", "HTTP", "Http2", "GRPC"])
def test_a_protocol_may_be_written_in_capitals(protocol: str) -> None:
    """From Consul's source (`ServiceConfigEntry.Normalize`, `ParseProxyConfig`), not measured."""
    rules = [layer7("web", ("allow", X))]
    assert decide(entries(rules, protocol=protocol), Request("web", "d1", path="/x")).allowed
    proxies = Entry(Kind.PROXY_DEFAULTS, "global", {"Config": {"protocol": protocol}})
    assert decide([proxies, *entries(rules, protocol="")], Request("web", "d1", path="/x")).allowed


def test_a_service_without_a_protocol_is_tcp_unless_the_proxies_default_says_otherwise() -> None:
    # from Consul's source
    rules = Entry(Kind.SERVICE_INTENTIONS, "d1", {"Sources": [layer7("web", ("allow", ALL))]})
    proxies = Entry(Kind.PROXY_DEFAULTS, "global", {"Config": {"protocol": "http"}})
    assert not decide([rules], Request("web", "d1")).allowed
    assert decide([rules, proxies], Request("web", "d1")).allowed


OKTA = {"Providers": [{"Name": "okta"}]}
TOKEN_THEN_ALL = {
    action: [{"Action": action, "HTTP": X, "JWT": OKTA}, {"Action": "allow", "HTTP": ALL}]
    for action in ("allow", "deny")
}
TOKENS: dict[str, tuple[list[Entry], str, bool, bool]] = {
    # entries, path, allowed with a token, allowed without
    "whole entry": (entries([allow("web")], JWT=OKTA), "/x", True, False),
    "whole entry, L7": (entries([layer7("web", ("allow", X))], JWT=OKTA), "/x", True, False),
    "deny stays": (entries([deny("web"), allow("*")], JWT=OKTA), "/x", False, False),
    "permission, and no later one": (
        entries([{"Name": "web", "Permissions": TOKEN_THEN_ALL["allow"]}]),
        "/x", True, False,
    ),
    "later permission": (
        entries([{"Name": "web", "Permissions": TOKEN_THEN_ALL["allow"]}]),
        "/y", True, True,
    ),
    "deny needs no token": (
        entries([{"Name": "web", "Permissions": TOKEN_THEN_ALL["deny"]}]),
        "/x", False, False,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("rules", "path", "with_token", "without"), TOKENS.values(), ids=TOKENS)
def test_tokens(rules: list[Entry], path: str, *, with_token: bool, without: bool) -> None:
    access = Access(rules)
    assert access.decide(Request("web", "d1", path=path, tokens=frozenset({"okta"}))).allowed is with_token
    assert access.decide(Request("web", "d1", path=path)).allowed is without


def test_a_missing_token_is_named() -> None:
    found = decide(entries([allow("web")], JWT=OKTA), Request("web", "d1"))
    assert found.why == "lacks what it needs; allows: a token of okta"


def test_without_a_certificate_there_is_no_answer() -> None:
    found = decide(entries([allow("*")]), Request(None, "d1"))
    assert (found.allowed, found.rule, found.status) == (False, "mutual TLS", None)


PERMISSIVE = {"MutualTLSMode": "permissive"}


@pytest.mark.parametrize("source", [None, "web"])
def test_permissive_mtls_lets_anyone_past_the_rules(source: str | None) -> None:
    # from Consul's source: a filter chain without rules, where proxies are transparent
    rules = entries([deny("*")])
    by_service = [*rules, Entry(Kind.SERVICE_DEFAULTS, "d1", PERMISSIVE)]
    by_all = [*rules, Entry(Kind.PROXY_DEFAULTS, "global", PERMISSIVE)]
    assert decide(by_service, Request(source, "d1")).rule == "service-defaults/d1 MutualTLSMode permissive"
    assert decide(by_all, Request(source, "d1")).rule == "proxy-defaults/global MutualTLSMode permissive"


def test_a_strict_service_stays_strict_among_permissive_proxies() -> None:
    rules = [*entries([deny("*")]), Entry(Kind.PROXY_DEFAULTS, "global", PERMISSIVE)]
    rules[0] = Entry(Kind.SERVICE_DEFAULTS, "d1", {"Protocol": "http", "MutualTLSMode": "strict"})
    assert not decide(rules, Request("web", "d1")).allowed


def test_sources_of_peers_say_nothing_about_our_own() -> None:
    assert not decide(entries([{**allow("web"), "Peer": "east"}]), Request("web", "d1")).allowed


NAMES: dict[str, tuple[list[Entry], Request, str, int | None]] = {
    "permission": (
        entries([layer7("web", ("deny", X), ("allow", ALL))]), Request("web", "d1", path="/y"),
        "service-intentions/d1 source web permission 2", 200,
    ),
    "source": (entries([deny("web")]), Request("web", "d1"), "service-intentions/d1 source web", 403),
    "any source": (entries([deny("*")]), Request("web", "d1"), "service-intentions/d1 source *", 403),
    "any destination": (entries([], [allow("web")]), Request("web", "d1"), "service-intentions/* source web", 200),
    "no permission matches": (
        entries([layer7("web", ("allow", X)), allow("*")]), Request("web", "d1"), "default policy deny", 403,
    ),
    "refused path": (entries([allow("*")]), Request("web", "d1", path="/%00"), "mesh/mesh HTTP.Incoming", 400),
}  # fmt: skip


@pytest.mark.parametrize(("rules", "request_", "rule", "status"), NAMES.values(), ids=NAMES)
def test_a_decision_names_its_rule(rules: list[Entry], request_: Request, rule: str, status: int | None) -> None:
    found = decide(rules, request_)
    assert (found.rule, found.status) == (rule, status)


@pytest.mark.parametrize("name", ["host", ":authority"])
def test_a_request_asks_for_its_destination_by_name_unless_it_has_another_host(name: str) -> None:
    here, there = ({"Header": [{"Name": name, "Exact": host}]} for host in ("d1", "elsewhere"))
    access = Access(entries([layer7("web", ("allow", here))]))
    assert access.decide(Request("web", "d1")).allowed
    assert access.decide(Request("web", "d1", headers={"x-key": "1"})).allowed
    assert not access.decide(Request("web", "d1", headers={"host": "elsewhere"})).allowed
    assert not Access(entries([layer7("web", ("allow", there))])).decide(Request("web", "d1")).allowed


@pytest.mark.parametrize(
    ("protocol", "sanitizes", "seen"),
    [("http", False, True), ("http", True, False), ("http2", False, True), ("grpc", False, False)],
)
def test_what_callers_say_of_certificates_is_seen_unless_it_is_dropped(
    protocol: str, *, sanitizes: bool, seen: bool
) -> None:
    mesh = Entry(Kind.MESH, "mesh", {"HTTP": {"SanitizeXForwardedClientCert": sanitizes}})
    there, absent = ({"Name": "x-forwarded-client-cert", "Present": True, "Invert": invert} for invert in (False, True))
    for condition, allowed in ((there, seen), (absent, not seen)):
        access = Access([mesh, *entries([layer7("web", ("allow", {"Header": [condition]}))], protocol=protocol)])
        assert access.decide(Request("web", "d1")).allowed is allowed
        assert access.decide(Request("web", "d1", headers={"x-forwarded-client-cert": "By=me"})).allowed is allowed


def test_blanks_around_a_value_are_not_seen() -> None:
    rules = [layer7("web", ("allow", {"Header": [{"Name": "authorization", "Prefix": "Bearer "}]}))]
    access = Access(entries(rules))
    assert not access.decide(Request("web", "d1", headers={"authorization": "Bearer "})).allowed
    assert access.decide(Request("web", "d1", headers={"authorization": " Bearer x"})).allowed
