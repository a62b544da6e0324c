"""What a page, an API and a log say when an upstream refuses, breaks or hangs."""

from __future__ import annotations

import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Mapping

    import httpx

DETAILS_ERRORS = (
    "Error fetching product details!",
    "Sorry, product details are currently unavailable for this book.",
)
REVIEWS_ERRORS = (
    "Error fetching product reviews!",
    "Sorry, product reviews are currently unavailable for this book.",
)
RATINGS_ERROR = "Ratings service is currently unavailable"
DENIED = (403, "RBAC: access denied")
API_PATHS = {
    "details": "/api/v1/products/{}",
    "reviews": "/api/v1/products/{}/reviews",
    "ratings": "/api/v1/products/{}/ratings",
}
FACTS = (200, json.dumps({"author": "A. <b>bold</b> author"}))


def reviews(rating: object) -> tuple[int, str]:
    review = {"reviewer": "R", "text": "<script>alert(1)</script>", "rating": rating}
    return 200, json.dumps({"podname": "reviews-v9", "reviews": [review]})


def test_denied_details_leave_the_reviews(
    http: httpx.Client, stubbed: Mapping[str, str], answers: dict[str, tuple[int, str]]
) -> None:
    answers |= {"/details/0": DENIED, "/reviews/0": reviews({"stars": 3, "color": "red"})}
    answer = http.get(f"{stubbed['productpage']}/productpage")
    assert answer.status_code == 200
    assert all(text in answer.text for text in (*DETAILS_ERRORS, "details answered 403", "★★★☆☆"))
    assert not any(text in answer.text for text in REVIEWS_ERRORS)


def test_denied_reviews_leave_the_details(
    http: httpx.Client, stubbed: Mapping[str, str], answers: dict[str, tuple[int, str]]
) -> None:
    answers |= {"/details/0": FACTS, "/reviews/0": DENIED}
    page = http.get(f"{stubbed['productpage']}/productpage").text
    assert all(text in page for text in (*REVIEWS_ERRORS, "reviews answered 403"))
    assert not any(text in page for text in DETAILS_ERRORS)


def test_what_upstreams_say_is_escaped(
    http: httpx.Client, stubbed: Mapping[str, str], answers: dict[str, tuple[int, str]]
) -> None:
    answers |= {"/details/0": FACTS, "/reviews/0": reviews(None)}
    page = http.get(f"{stubbed['productpage']}/productpage").text
    assert "A. &lt;b&gt;bold&lt;/b&gt; author" in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script" not in page


@pytest.mark.parametrize(
    "rating",
    [
        {"error": RATINGS_ERROR},
        {"stars": 0, "color": "red"},
        {"stars": 10**9, "color": "red"},
        {"stars": 4.0, "color": "red"},
        {"stars": 4, "color": '"><b>'},
        "five",
    ],
)
def test_a_rating_that_cannot_be_shown_is_said_to_be_unavailable(
    http: httpx.Client, stubbed: Mapping[str, str], answers: dict[str, tuple[int, str]], rating: object
) -> None:
    answers |= {"/details/0": FACTS, "/reviews/0": reviews(rating)}
    page = http.get(f"{stubbed['productpage']}/productpage").text
    assert RATINGS_ERROR in page
    assert 'class="stars' not in page


@pytest.mark.parametrize("body", ["", "not JSON", "[]", "{}", '{"reviews": 1}', '{"reviews": [1]}', "[" * 5000])
def test_an_answer_of_an_unknown_shape_is_an_error(
    http: httpx.Client, stubbed: Mapping[str, str], answers: dict[str, tuple[int, str]], body: str
) -> None:
    answers |= {"/details/0": (200, body), "/reviews/0": (200, body)}
    answer = http.get(f"{stubbed['productpage']}/productpage")
    assert answer.status_code == 200
    assert all(text in answer.text for text in (*DETAILS_ERRORS, *REVIEWS_ERRORS))


def test_reviews_is_asked_twice_and_details_once(
    http: httpx.Client,
    stubbed: Mapping[str, str],
    answers: dict[str, tuple[int, str]],
    asked: list[tuple[str, dict[str, str]]],
) -> None:
    answers |= {"/details/0": (503, ""), "/reviews/0": (503, "")}
    http.get(f"{stubbed['productpage']}/productpage")
    assert sorted(path for path, _ in asked) == ["/details/0", "/reviews/0", "/reviews/0"]


@pytest.mark.parametrize("service", ["productpage", "reviews-v2"])
def test_tracing_headers_go_along_and_others_do_not(
    http: httpx.Client, stubbed: Mapping[str, str], asked: list[tuple[str, dict[str, str]]], service: str
) -> None:
    tracing = {"x-request-id": "1", "traceparent": "2", "tracestate": "3", "b3": "4", "x-b3-traceid": "5"}
    private = {"cookie": "user=Luce", "authorization": "Bearer x", "x-forwarded-for": "192.0.2.1"}
    path = "/productpage" if service == "productpage" else "/reviews/0"
    http.get(stubbed[service] + path, headers=tracing | private)
    assert asked
    for _, headers in asked:
        assert tracing.items() <= headers.items()
        assert not private.keys() & headers.keys()


@pytest.mark.parametrize("answer", [(403, '{"error": "no"}'), (429, '{"error": "slow"}'), (500, "[]"), (201, "{}")])
@pytest.mark.parametrize("part", ["details", "reviews", "ratings"])
def test_the_api_passes_status_and_json_through(
    http: httpx.Client,
    stubbed: Mapping[str, str],
    answers: dict[str, tuple[int, str]],
    part: str,
    answer: tuple[int, str],
) -> None:
    answers[f"/{part}/5"] = answer
    got = http.get(f"{stubbed['productpage']}{API_PATHS[part].format(5)}")
    assert (got.status_code, got.text, got.headers["content-type"]) == (*answer, "application/json")


@pytest.mark.parametrize("case", [(DENIED, 403), ((503, ""), 503), ((200, "hi"), 502), ((302, ""), 502)])
@pytest.mark.parametrize("part", ["details", "reviews", "ratings"])
def test_the_api_says_sorry_in_json_where_the_upstream_has_none(
    http: httpx.Client,
    stubbed: Mapping[str, str],
    answers: dict[str, tuple[int, str]],
    part: str,
    case: tuple[tuple[int, str], int],
) -> None:
    answer, status = case
    answers[f"/{part}/0"] = answer
    got = http.get(f"{stubbed['productpage']}{API_PATHS[part].format(0)}")
    sorry = f"Sorry, product {part} are currently unavailable for this book."
    assert (got.status_code, got.json()) == (status, {"error": sorry})


@pytest.mark.parametrize("answer", [DENIED, (500, "{}"), (200, "{}"), (200, "nothing")])
def test_reviews_without_ratings_says_so_for_each(
    http: httpx.Client, stubbed: Mapping[str, str], answers: dict[str, tuple[int, str]], answer: tuple[int, str]
) -> None:
    answers["/ratings/0"] = answer
    got = http.get(f"{stubbed['reviews-v2']}/reviews/0")
    assert got.status_code == 200
    assert [review["rating"] for review in got.json()["reviews"]] == [{"error": RATINGS_ERROR}] * 2


def test_reviews_v1_never_calls_ratings(
    http: httpx.Client, stubbed: Mapping[str, str], asked: list[tuple[str, dict[str, str]]]
) -> None:
    assert http.get(f"{stubbed['reviews-v1']}/reviews/0").status_code == 200
    assert asked == []


def test_upstreams_that_hang_or_are_gone_cost_no_more_than_the_time_allowed(
    http: httpx.Client,
    spawn: Callable[..., tuple[subprocess.Popen[str], str]],
    wait_for: Callable[[str], None],
    new_address: Callable[[], str],
) -> None:
    with socket.create_server((new_address(), 0)) as hanging:
        hangs = "http://{}:{}".format(*hanging.getsockname())
        gone = f"http://{new_address()}:9080"
        productpage = spawn("productpage", DETAILS_URL=hangs, REVIEWS_URL=hangs, RATINGS_URL=gone)[1]
        slow_reviews = spawn("reviews", SERVICE_VERSION="v3", RATINGS_URL=hangs)[1]
        for url in (productpage, slow_reviews):
            wait_for(url)

        def timed(url: str) -> tuple[httpx.Response, float]:
            begin = time.monotonic()
            return http.get(url, timeout=20), time.monotonic() - begin

        with ThreadPoolExecutor() as callers:
            (page, page_took), (details, details_took), (ratings, _), (unrated, unrated_took) = callers.map(
                timed,
                (
                    f"{productpage}/productpage",
                    f"{productpage}/api/v1/products/0",
                    f"{productpage}/api/v1/products/0/ratings",
                    f"{slow_reviews}/reviews/0",
                ),
            )
    assert all(text in page.text for text in (*DETAILS_ERRORS, *REVIEWS_ERRORS, "did not answer within 3 s"))
    assert 6 <= page_took < 8
    assert details.status_code == 504
    assert 3 <= details_took < 5
    assert ratings.status_code == 502
    assert RATINGS_ERROR in unrated.text
    assert unrated_took < 3
