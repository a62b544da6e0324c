"""The config entries of the shipped postures, held against golden files that a reviewer can read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from posture.model.access import Access, Arrival
from posture.model.application import load_application
from posture.model.entries import Kind, compile_entries
from posture.model.posture import available, load_posture
from posture.model.schemas import SHAPES, schema_of
from tests.goldens import golden_entries, golden_text

if TYPE_CHECKING:
    from posture.model.application import Application

ROOT = Path(__file__).parents[2]
POSTURES = available(ROOT / "stacks")


@pytest.fixture(scope="module")
def bookinfo() -> Application:
    return load_application(ROOT / "apps" / "bookinfo.yaml")


def entries_of(application: Application, name: str, through: str | None = None) -> dict[str, dict[str, object]]:
    posture = load_posture(ROOT / "stacks", name, application)
    posture = posture.through(through) if through else posture
    return {entry.label: entry.body for entry in compile_entries(application, posture)}


@pytest.mark.parametrize(
    ("name", "through"),
    [
        *((name, None) for name in POSTURES),
        ("layered-allow", "reviews-viewer"),
        ("rate-limited", "one-connection"),
    ],
)
def test_entries_are_the_golden_ones(
    bookinfo: Application, name: str, through: str | None, *, update_golden: bool
) -> None:
    golden = ROOT / "tests" / "golden" / f"{name}{f'-through-{through}' if through else ''}.json"
    entries = entries_of(bookinfo, name, through)
    if update_golden:
        golden.write_text(golden_text(entries))
    assert entries == golden_entries(golden.read_text())


def test_every_posture_has_the_same_entries_by_kind_and_name(bookinfo: Application) -> None:
    names = [list(entries_of(bookinfo, name)) for name in POSTURES]
    assert all(each == names[0] for each in names)


def test_every_destination_ends_in_deny(bookinfo: Application) -> None:
    for name in POSTURES:
        for key, body in entries_of(bookinfo, name).items():
            if key.startswith(Kind.SERVICE_INTENTIONS):
                last = body["Sources"][-1]  # type: ignore[index]  # a body is JSON
                assert (last["Name"], last["Action"]) == ("*", "deny"), key


def test_through_opens_the_grants_up_to_it_and_no_more(bookinfo: Application) -> None:
    part = entries_of(bookinfo, "layered-allow", through="reviews-viewer")
    whole = entries_of(bookinfo, "layered-allow")
    assert {key for key in whole if part[key] != whole[key]} == {"service-intentions/ratings"}


def test_rate_limited_starts_as_layered_allow_with_one_connection_to_the_page(bookinfo: Application) -> None:
    limited, layered = entries_of(bookinfo, "rate-limited", "one-connection"), entries_of(bookinfo, "layered-allow")
    changed = {key: limited[key] for key in layered if limited[key] != layered[key]}
    assert changed == {
        "service-defaults/productpage": {**layered["service-defaults/productpage"], "MaxInboundConnections": 1}
    }


def test_headers_compile_to_consuls_words(bookinfo: Application, tmp_path: Path) -> None:
    (tmp_path / "h.yaml").write_text(
        "description: d\ngrants:\n  - name: a\n    from: fortio\n    to: details\n    permissions:\n"
        "      - {pathExact: /x, header: [{name: x-key, exact: k, invert: true, ignoreCase: true}, "
        "{name: y, present: true}]}\n"
    )
    posture = load_posture(tmp_path, "h", bookinfo)
    [entry] = [e for e in compile_entries(bookinfo, posture) if e.kind == "service-intentions" and e.name == "details"]
    assert entry.body["Sources"][0]["Permissions"] == [
        {
            "Action": "allow",
            "HTTP": {
                "PathExact": "/x",
                "Header": [
                    {"Name": "x-key", "Exact": "k", "Invert": True, "IgnoreCase": True},
                    {"Name": "y", "Present": True},
                ],
            },
        }
    ]


@pytest.mark.parametrize("kind", SHAPES)
def test_committed_schemas_are_those_of_the_models(kind: str) -> None:
    assert (ROOT / "schemas" / f"{kind}.json").read_text() == schema_of(kind) + "\n"


def test_a_wildcard_is_the_listeners_alone_and_the_routes_are_its(bookinfo: Application) -> None:
    gateway = bookinfo.gateway.model_copy(update={"hostname": "*.example.com"})
    application = bookinfo.model_copy(update={"gateway": gateway})
    entries = compile_entries(application, load_posture(ROOT / "stacks", "layered-allow", application))
    [route] = [entry.body for entry in entries if entry.kind is Kind.HTTP_ROUTE]
    assert "Hostnames" not in route, "Consul refuses it there"
    enter = Access(entries).enter
    assert gateway.page == "https://any.example.com:8443/productpage"
    assert enter(Arrival("gateway", "GET", "/productpage", host=gateway.host), "productpage").allowed
    assert not enter(Arrival("gateway", "GET", "/productpage", host="example.org"), "productpage").allowed
