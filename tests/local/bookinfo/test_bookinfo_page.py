"""The page and its sign-in, with everything at work."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import httpx
import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping


@pytest.mark.parametrize(("version", "color"), [("v1", None), ("v2", "black"), ("v3", "red")])
def test_the_page_shows_book_details_and_reviews(
    http: httpx.Client, urls: Mapping[str, str], version: str, color: str | None
) -> None:
    answer = http.get(f"{urls[f'productpage-{version}']}/productpage")
    page = answer.text
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "<h1>The Comedy of Errors</h1>" in page
    assert "William Shakespeare" in page
    assert f"Reviews served by: reviews-{version}" in page
    assert re.findall(r'class="stars (\w+)"', page) == ([color] * 2 if color else [])
    assert re.findall("[★☆]+", page) == (["★★★★★", "★★★★☆"] if color else [])
    assert 'class="alert"' not in page


def test_the_page_says_its_language_fits_a_phone_and_is_not_cached(http: httpx.Client, urls: Mapping[str, str]) -> None:
    answer = http.get(f"{urls['productpage-v1']}/productpage")
    assert '<html lang="en">' in answer.text
    assert '<meta name="viewport" content="width=device-width' in answer.text
    assert answer.headers["cache-control"] == "no-store"


def test_everything_the_page_loads_is_its_own_and_there(http: httpx.Client, urls: Mapping[str, str]) -> None:
    url = urls["productpage-v1"]
    loaded = set(re.findall(r'(?:src|rel="\w+" href)="([^"]+)"', http.get(f"{url}/productpage").text))
    assert loaded == {"/static/bookinfo.css", "/static/bookinfo.svg"}
    types = {http.get(url + path).raise_for_status().headers["content-type"].split(";")[0] for path in loaded}
    assert types == {"text/css", "image/svg+xml"}


def test_static_serves_nothing_beside_its_folder(http: httpx.Client, urls: Mapping[str, str]) -> None:
    for path in ("/static/%2e%2e/page.py", "/static/..%2fpage.py", "/static/", "/static/none.css"):
        assert http.get(urls["productpage-v1"] + path).status_code == 404


def test_signing_in_greets_escaped_until_signing_out(urls: Mapping[str, str]) -> None:
    with httpx.Client(base_url=urls["productpage-v1"], follow_redirects=True) as browser:
        assert "Sign in" in browser.get("/productpage").text
        greeted = browser.post("/login", data={"username": ' Dromio; "Ä" <b> ', "passwd": "any"})
        assert greeted.url.path == "/productpage"
        assert "Dromio; &#34;Ä&#34; &lt;b&gt;</strong>" in greeted.text
        left = browser.get("/logout")
        assert left.url.path == "/productpage"
        assert "Signed in" not in left.text


@pytest.mark.parametrize("username", ["", "  ", "a\r\nset-cookie: x=y", "x" * 65])
def test_a_name_that_cannot_be_shown_is_a_400(http: httpx.Client, urls: Mapping[str, str], username: str) -> None:
    answer = http.post(f"{urls['productpage-v1']}/login", data={"username": username})
    assert answer.status_code == 400
    assert "set-cookie" not in answer.headers


def test_the_cookie_is_out_of_reach_of_scripts_and_secure_behind_tls(
    http: httpx.Client, urls: Mapping[str, str]
) -> None:
    def cookie(headers: dict[str, str]) -> str:
        answer = http.post(f"{urls['productpage-v1']}/login", data={"username": "Luce"}, headers=headers)
        return str(answer.headers["set-cookie"])

    assert "HttpOnly" in cookie({})
    assert "Secure" not in cookie({})
    assert "Secure" in cookie({"x-forwarded-proto": "https"})


def test_a_cookie_that_nobody_here_set_signs_nobody_in(http: httpx.Client, urls: Mapping[str, str]) -> None:
    page = http.get(f"{urls['productpage-v1']}/productpage", headers={"cookie": f"user={'x' * 65}"}).text
    assert "Sign in" in page


def test_getting_the_sign_in_leads_to_the_page(http: httpx.Client, urls: Mapping[str, str]) -> None:
    answer = http.get(f"{urls['productpage-v1']}/login")
    assert (answer.status_code, answer.headers["location"]) == (303, "/productpage")


def test_the_api_shows_what_the_services_serve(http: httpx.Client, urls: Mapping[str, str]) -> None:
    api = f"{urls['productpage-v2']}/api/v1/products"
    assert [product["title"] for product in http.get(api).json()] == ["The Comedy of Errors"]
    for path, upstream in (
        ("/0", f"{urls['details']}/details/0"),
        ("/0/reviews", f"{urls['reviews-v2']}/reviews/0"),
        ("/0/ratings", f"{urls['ratings']}/ratings/0"),
    ):
        answer = http.get(api + path)
        assert (answer.status_code, answer.content) == (200, http.get(upstream).content)
