"""What each service serves, by the table of the design's section on Bookinfo."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx

SERVICES = ("productpage-v1", "details", "reviews-v1", "reviews-v2", "ratings")


@pytest.mark.parametrize("service", SERVICES)
def test_health_has_a_status(http: httpx.Client, urls: Mapping[str, str], service: str) -> None:
    answer = http.get(f"{urls[service]}/health")
    assert (answer.status_code, set(answer.json())) == (200, {"status"})


@pytest.mark.parametrize("service", SERVICES)
def test_every_answer_has_the_security_headers(http: httpx.Client, urls: Mapping[str, str], service: str) -> None:
    for answer in (http.get(f"{urls[service]}/health"), http.get(f"{urls[service]}/nothing-here")):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "default-src 'self'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("service", "path", "allowed"),
    [
        ("productpage-v1", "/productpage", {"GET", "HEAD"}),
        ("productpage-v1", "/login", {"GET", "HEAD", "POST"}),
        ("productpage-v1", "/logout", {"GET", "HEAD"}),
        ("productpage-v1", "/static/bookinfo.css", {"GET", "HEAD"}),
        ("productpage-v1", "/api/v1/products", {"GET", "HEAD"}),
        ("productpage-v1", "/api/v1/products/0/ratings", {"GET", "HEAD"}),
        ("details", "/details/0", {"GET", "HEAD"}),
        ("reviews-v1", "/reviews/0", {"GET", "HEAD"}),
        ("ratings", "/ratings/0", {"GET", "HEAD", "POST"}),
        ("ratings", "/health", {"GET", "HEAD"}),
    ],
)
def test_only_declared_methods_are_served(
    http: httpx.Client, urls: Mapping[str, str], service: str, path: str, allowed: set[str]
) -> None:
    methods = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"}
    refused = {method for method in methods if http.request(method, urls[service] + path).status_code == 405}
    assert refused == methods - allowed


@pytest.mark.parametrize("path", ["/details/0/", "/details/..%2fadmin", "/detailsX", "/details//0", "/"])
def test_a_path_that_is_only_similar_is_not_served(http: httpx.Client, urls: Mapping[str, str], path: str) -> None:
    assert http.get(urls["details"] + path).status_code == 404


@pytest.mark.parametrize("name", ["details", "reviews", "ratings"])
@pytest.mark.parametrize("product", ["x", "-1", "1.5", "%C2%B2", "9" * 5000])
def test_a_product_that_is_no_number_is_a_400(
    http: httpx.Client, urls: Mapping[str, str], name: str, product: str
) -> None:
    service = urls.get(name) or urls["reviews-v2"]
    answer = http.get(f"{service}/{name}/{product}")
    assert (answer.status_code, set(answer.json())) == (400, {"error"})


def test_details_has_the_facts_of_the_book(http: httpx.Client, urls: Mapping[str, str]) -> None:
    facts = http.get(f"{urls['details']}/details/7").json()
    assert (facts["id"], facts["author"], facts["year"], facts["pages"]) == (7, "William Shakespeare", 1595, 128)
    assert set(facts) > {"type", "publisher", "language"}
    assert sum((10 - i) * int(d.replace("X", "10")) for i, d in enumerate(facts["ISBN-10"])) % 11 == 0
    assert sum((1, 3)[i % 2] * int(d) for i, d in enumerate(facts["ISBN-13"])) % 10 == 0


@pytest.mark.parametrize(
    ("version", "ratings"),
    [
        ("v1", [None, None]),
        ("v2", [{"stars": 5, "color": "black"}, {"stars": 4, "color": "black"}]),
        ("v3", [{"stars": 5, "color": "red"}, {"stars": 4, "color": "red"}]),
    ],
)
def test_reviews_rates_in_the_color_of_its_version(
    http: httpx.Client, urls: Mapping[str, str], version: str, ratings: list[object]
) -> None:
    answer = http.get(f"{urls[f'reviews-{version}']}/reviews/0").json()
    assert (answer["id"], answer["podname"], answer["clustername"]) == ("0", f"reviews-{version}", "local")
    assert [review.get("rating") for review in answer["reviews"]] == ratings
    assert all(review["reviewer"] and review["text"] for review in answer["reviews"])


def test_posted_ratings_replace_those_of_one_product(http: httpx.Client, urls: Mapping[str, str]) -> None:
    posted = http.post(f"{urls['ratings']}/ratings/41", json={"Reviewer1": 1})
    assert (posted.status_code, posted.json()) == (200, {"id": 41, "ratings": {"Reviewer1": 1}})
    assert http.get(f"{urls['ratings']}/ratings/41").json() == posted.json()
    assert http.get(f"{urls['ratings']}/ratings/42").json()["ratings"] == {"Reviewer1": 5, "Reviewer2": 4}
    reviews = http.get(f"{urls['reviews-v3']}/reviews/41").json()["reviews"]
    assert [review.get("rating") for review in reviews] == [{"stars": 1, "color": "red"}, None]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff",
        b"[" * 15_000,
        b"[5]",
        b'"five"',
        b'{"Reviewer1": 0}',
        b'{"Reviewer1": 6}',
        b'{"Reviewer1": "5"}',
        b'{"Reviewer1": 4.0}',
        b'{"Reviewer1": true}',
        b'{"": 5}',
        b'{"\\ud800": 5}',
        b'{"%s": 5}' % (b"x" * 65),
    ],
)
def test_ratings_refuses_a_body_that_is_no_map_of_stars(
    http: httpx.Client, urls: Mapping[str, str], body: bytes
) -> None:
    assert http.post(f"{urls['ratings']}/ratings/43", content=body).status_code == 400
    assert http.get(f"{urls['ratings']}/ratings/43").json()["ratings"] == {"Reviewer1": 5, "Reviewer2": 4}


def test_ratings_refuses_a_body_that_is_too_long(http: httpx.Client, urls: Mapping[str, str]) -> None:
    assert http.post(f"{urls['ratings']}/ratings/43", content=b" " * 20_000).status_code == 413
