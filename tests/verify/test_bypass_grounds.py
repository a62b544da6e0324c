from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from posture.model.access import Access
from posture.model.application import Application, load_application
from posture.model.entries import Entry, Kind, compile_entries
from posture.model.posture import load_posture
from posture.verify.grounds import Ground, Plain, entrance_grounds, sidecar_grounds

ROOT = Path(__file__).parents[2]
APPLICATION = load_application(ROOT / "apps" / "bookinfo.yaml")


def shipped(posture: str) -> Access:
    return Access(compile_entries(APPLICATION, load_posture(ROOT / "stacks", posture, APPLICATION)))


def with_rule(*permissions: dict[str, Any], source: str = "productpage") -> Access:
    """Default deny, and these permissions of a source at details."""
    sources = [{"Name": source, "Permissions": list(permissions)}]
    return Access(
        (
            Entry(Kind.PROXY_DEFAULTS, "global", {"Config": {"protocol": "http"}}),
            Entry(Kind.SERVICE_INTENTIONS, "details", {"Sources": sources}),
        )
    )


def allow(**http: Any) -> dict[str, Any]:
    return {"Action": "allow", "HTTP": http}


def limited(access: Access, application: Application = APPLICATION) -> list[Ground]:
    return [ground for ground in sidecar_grounds(access, application).found if ground.permitted]


def test_each_limited_grant_of_a_shipped_posture_is_a_ground() -> None:
    found = [
        (each.caller, each.destination, each.cover, str(each.forbidden)) for each in limited(shipped("layered-allow"))
    ]
    assert found == [
        ("productpage", "details", "/details/0", "GET /outside"),
        ("productpage", "reviews", "/reviews/0", "GET /outside"),
        ("reviews", "ratings", "/ratings/0", "GET /outside"),
    ]


@pytest.mark.parametrize("posture", ["baseline", "deny-all", "layered-allow", "rate-limited"])
def test_each_destination_is_tried_by_somebody_without_a_grant(posture: str) -> None:
    found = sidecar_grounds(shipped(posture), APPLICATION)
    assert {each.destination for each in found.found if not each.permitted} == set(APPLICATION.services)
    assert found.blind == []


def test_grants_without_limits_leave_nothing_to_get_past() -> None:
    assert limited(shipped("baseline")) == []


@pytest.mark.parametrize(
    ("rule", "permitted", "forbidden"),
    [
        (allow(PathExact="/a/b"), "GET /a/b", "GET /outside"),
        (allow(PathPrefix="/a/"), "GET /a/0", "GET /outside"),
        (allow(PathPrefix="/a"), "GET /a", "GET /outside"),
        (allow(PathRegex="/details/[0-9]+"), "GET /details/0", "GET /outside"),
        (allow(PathPrefix="/a/", Methods=["PUT", "POST"]), "POST /a/0", "POST /outside"),
        (allow(Methods=["PUT", "GET"]), "GET /details/0", "POST /details/0"),
    ],
)
def test_permissions_say_what_is_tried(rule: dict[str, Any], permitted: str, forbidden: str) -> None:
    (ground,) = limited(with_rule(rule))
    assert (str(ground.permitted), str(ground.forbidden)) == (permitted, forbidden)


def test_a_rule_that_denies_a_path_is_a_ground_too() -> None:
    deny = {"Action": "deny", "HTTP": {"PathPrefix": "/admin"}}
    first, *_ = limited(with_rule(deny, allow(PathPrefix="/")))
    assert (str(first.permitted), str(first.forbidden)) == ("GET /details/0", "GET /admin")


def test_a_required_header_is_sent_and_left_out() -> None:
    (ground,) = limited(with_rule(allow(Header=[{"Name": "X-Team", "Exact": "blue"}])))
    assert ground.permitted == Plain("GET", "/details/0", (("X-Team", "blue"),))
    assert ground.forbidden.headers == ()


@pytest.mark.parametrize(
    ("condition", "value"),
    [({"Prefix": "Bearer "}, "Bearer 1"), ({"Suffix": "\tx"}, "1\tx"), ({"Contains": " x "}, "1 x 1")],
)
def test_blanks_at_the_ends_of_a_text_are_sent_where_no_proxy_trims_them(condition: dict[str, Any], value: str) -> None:
    (ground,) = limited(with_rule(allow(Header=[{"Name": "X-Team", **condition}])))
    assert ground.permitted == Plain("GET", "/details/0", (("X-Team", value),))


@pytest.mark.parametrize(
    "condition",
    [{"Exact": " blue"}, {"Exact": "blue\t"}, {"Prefix": " blue"}, {"Suffix": "blue "}, {"Exact": "blå"}]
    + [{kind: "日本"} for kind in ("Prefix", "Suffix", "Contains")],
)
def test_a_header_that_no_client_can_send_is_said_to_be_unmeasured(condition: dict[str, Any]) -> None:
    """Blanks are trimmed on the way; what isn't ASCII comes as other bytes, or can't be written at all."""
    access = with_rule(allow(Header=[{"Name": "X-Team", **condition}]))
    assert limited(access) == []
    assert len(sidecar_grounds(access, APPLICATION).blind) == 1


@pytest.mark.parametrize("name", ["Host", ":authority"])
def test_a_host_is_said_once(name: str) -> None:
    here, there = (
        with_rule(allow(PathPrefix="/a/", Header=[{"Name": name, "Exact": host}])) for host in ("details", "x")
    )
    (ground,) = limited(here)
    assert ground.permitted == Plain("GET", "/a/0")
    assert limited(there) == []
    assert sidecar_grounds(there, APPLICATION).blind


def test_a_rule_for_everybody_is_tried_by_somebody_unknown() -> None:
    (ground,) = limited(with_rule(allow(PathPrefix="/a/"), source="*"))
    assert ground.caller == "unknown"


def test_a_rule_that_no_known_request_meets_is_said_to_be_unmeasured() -> None:
    grounds = sidecar_grounds(with_rule(allow(PathRegex="/[a-f]{9}")), APPLICATION)
    words = "productpage → details permission 1: no request is known that it allows, beside one that is denied"
    assert grounds.blind == [words]


def test_the_entrance_is_tried_by_a_route_of_each_kind() -> None:
    found = entrance_grounds(shipped("layered-allow"), APPLICATION).found
    assert {(each.cover, str(each.forbidden)) for each in found} == {
        ("/productpage", "GET /outside"),
        ("/static", "GET /outside"),
    }
