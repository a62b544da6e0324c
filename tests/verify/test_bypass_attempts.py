from __future__ import annotations

import pytest

from posture.model.access import Access, Request
from posture.model.entries import Entry, Kind
from posture.verify.disguises import PLAINLY, Disguise, disguises, in_http2
from posture.verify.grounds import Ground, Plain
from posture.verify.smuggling import smuggles

HOST = "details"
IDENTITY = "spiffe://mesh.consul/ns/default/dc/dc1/svc/productpage"
PERMITTED, FORBIDDEN = Plain("GET", "/details/0"), Plain("GET", "/outside")
GROUND = Ground("productpage", "details", FORBIDDEN, "/details/0", PERMITTED, "POST", "productpage")
NORMALIZING = {"MergeSlashes": True, "PathWithEscapedSlashesAction": "REJECT_REQUEST"}


def all_of(ground: Ground = GROUND) -> list[Disguise]:
    return disguises(ground, HOST, IDENTITY)


def allowed(disguise: Disguise, normalization: dict[str, object]) -> bool:
    permission = {"Action": "allow", "HTTP": {"PathPrefix": "/details/", "Methods": ["GET"]}}
    access = Access(
        (
            Entry(Kind.PROXY_DEFAULTS, "global", {"Config": {"protocol": "http"}}),
            Entry(Kind.MESH, "mesh", {"HTTP": {"Incoming": {"RequestNormalization": normalization}}}),
            Entry(Kind.SERVICE_INTENTIONS, HOST, {"Sources": [{"Name": "productpage", "Permissions": [permission]}]}),
        )
    )
    headers = {"host": disguise.host, **disguise.others}
    return access.decide(Request("productpage", HOST, disguise.method, disguise.target, headers)).allowed


@pytest.mark.parametrize(
    "line",
    [
        "GET //outside",
        "GET /./outside",
        "GET /x/../outside",
        "GET /details/../outside",
        "GET /details/%2e%2e/outside",
        "GET /details/..%2foutside",
        "GET /details/..%5coutside",
        "GET /details/..\\outside",
        "GET /details/..;/outside",
        "GET /outside;x=1",
        "GET /outside.",
        "GET /outside/",
        "GET /DETAILS/0",
        "GET /outside?/details/0",
        "GET /outside#/details/0",
        "GET http://details/outside",
        "GET http://elsewhere.example/details/0, Host: details",
        "GET /outside, X-Original-URL: /details/0",
        "GET /outside, X-Rewrite-URL: /details/0",
        "GET /outside, X_Original_URL: /details/0",
        "POST /details/0, X-HTTP-Method-Override: GET",
        f"GET /outside, X-Forwarded-Client-Cert: URI={IDENTITY}",
        "get /details/0",
        "GET /outside, HTTP/1.0",
    ],
)
def test_each_known_way_is_among_the_attempts(line: str) -> None:
    assert line in map(str, all_of())


def test_what_is_plain_comes_first_and_nothing_twice() -> None:
    made = all_of()
    assert [str(each) for each in made if each.family == PLAINLY] == ["GET /details/0", "GET /outside"]
    assert [each.family for each in made[:2]] == [PLAINLY, PLAINLY]
    assert len({each.data for each in made}) == len(made)


def test_targets_go_on_the_wire_as_they_are_written() -> None:
    (made,) = [each for each in all_of() if each.target == "/details/..\\outside"]
    assert made.data == b"GET /details/..\\outside HTTP/1.1\r\nHost: details\r\n\r\n"


def test_climbing_goes_as_far_up_as_the_cover_is_deep() -> None:
    deep = Ground("a", "details", FORBIDDEN, "/api/v1/x", PERMITTED)
    assert "GET /api/v1/../../outside" in map(str, all_of(deep))


@pytest.mark.parametrize("cover", ["/", "/a", "/a/", "/a/b/c"])
def test_any_cover_will_do(cover: str) -> None:
    targets = [each.target for each in all_of(Ground("a", "details", FORBIDDEN, cover, Plain("GET", cover)))]
    assert len(targets) > 50


def test_an_absolute_target_names_the_host() -> None:
    hosts = {each.host for each in all_of() if each.target.startswith("http://elsewhere.example/")}
    assert hosts == {"elsewhere.example"}


def test_who_may_nothing_tries_no_other_method() -> None:
    made = all_of(Ground("fortio", "details", PERMITTED, "/details/0", admitted="productpage"))
    assert {each.method for each in made} == {"GET"}


def test_nothing_outside_is_allowed_where_the_mesh_normalises() -> None:
    passing = [each.target for each in all_of() if "outside" in each.target and allowed(each, NORMALIZING)]
    # what becomes of /details//.. is /details/, since dot segments go before slashes are merged
    stay_inside = ("//..", "..;", ";/..", "%252", "%c0%af", "..%3b", "/details/0#", "/details/0?", "/details/0;")
    assert [target for target in passing if not any(part in target for part in stay_inside)] == []


def test_attempts_tell_a_mesh_that_does_not_normalise() -> None:
    careless: dict[str, object] = {"InsecureDisablePathNormalization": True}
    wrong = {each.target for each in all_of() if allowed(each, careless) and not allowed(each, NORMALIZING)}
    assert {"/details/../outside", "/details/%2e%2e/outside", "/details/..%2foutside", "/details/..%5coutside"} <= wrong


def test_each_smuggle_has_the_denied_request_inside_and_after() -> None:
    inner = b"GET /outside HTTP/1.1\r\nHost: details\r\n\r\n"
    made = smuggles(GROUND, HOST)
    for each in made:
        assert each.data.startswith(b"GET /details/0 HTTP/1.1\r\nHost: details\r\n")
        assert inner in each.data
        assert each.data.endswith(b"GET /outside HTTP/1.1\r\nHost: details\r\nConnection: close\r\n\r\n")
    assert len({each.data for each in made}) == len(made)


def test_lengths_and_chunks_are_those_that_each_reader_believes() -> None:
    by_words = {each.words: each.data for each in smuggles(GROUND, HOST)}
    inner = b"GET /outside HTTP/1.1\r\nHost: details\r\n\r\n"
    ended = b"0\r\n\r\n" + inner
    assert b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n%b" % (len(ended), ended) in by_words["CL.TE"]
    size = b"%x\r\n" % len(inner)
    assert (
        b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n%b" % (len(size), size + inner) in by_words["TE.CL"]
    )
    assert b"Content-Length: 0\r\nContent-Length: %d\r\n\r\n%b" % (len(inner), inner) in by_words["two CL, 0 first"]


@pytest.mark.parametrize(
    ("target", "headers", "method", "said"),
    [
        ("/x/..%2fy?a", (("Host", "h"), ("X-K", "v")), "GET", True),
        ("http://h/x", (("Host", "h"),), "GET", False),
        ("/x y", (("Host", "h"),), "GET", False),
        ("/x", (("Host", "h"), ("Host", "i")), "GET", False),
        ("/x", (), "GET", False),
        ("/x", (("Host", "h"),), "get", False),
    ],
)
def test_http2_says_what_has_one_authority_and_a_path(
    target: str, headers: tuple[tuple[str, str], ...], method: str, *, said: bool
) -> None:
    assert in_http2(Disguise("any", method, target, headers)) is said
