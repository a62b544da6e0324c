"""`productpage`: the page that people see, its sign-in, and an API in front of the other three services.

Details and reviews are asked at the same time, so that a page takes at most the 6 s of the slower one.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, quote, unquote

from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from posture.local.bookinfo.environment import read_url
from posture.local.bookinfo.page import PRODUCT, render
from posture.local.bookinfo.texts import SORRY
from posture.local.bookinfo.upstream import Upstream, new_client
from posture.local.bookinfo.web import application, read_body, read_product_id

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from starlette.applications import Starlette
    from starlette.requests import Request

__all__ = ["build"]

SECONDS = 3
USER_COOKIE = "user"
LONGEST_USERNAME = 64


def build(environ: Mapping[str, str]) -> Starlette:
    """Return the application.

    - GET `/productpage`: HTML, always 200; a part that couldn't be had says so in its place.
    - POST `/login` (form field `username`, no password) and GET `/logout`: set and clear the name that the page
      greets, then go back to it. The name is for show and carries no right.
    - GET `/api/v1/products`, and below it `/ID`, `/ID/reviews`, `/ID/ratings`: the upstream's status and JSON;
      without JSON `{"error": TEXT}`, with 502 or 504 for an upstream that never answered.
    - GET `/static/…`.

    Raises:
        InputError: `DETAILS_URL`, `REVIEWS_URL` or `RATINGS_URL` can't be used.
    """
    client = new_client()
    details = Upstream("details", read_url(environ, "DETAILS_URL"), client, SECONDS)
    reviews = Upstream("reviews", read_url(environ, "REVIEWS_URL"), client, SECONDS, tries=2)
    ratings = Upstream("ratings", read_url(environ, "RATINGS_URL"), client, SECONDS)

    @asynccontextmanager
    async def lifespan(_application: Starlette) -> AsyncIterator[None]:
        async with client:
            yield

    async def productpage(request: Request) -> Response:
        answers = await asyncio.gather(
            details.get(f"/details/{PRODUCT['id']}", request.headers),
            reviews.get(f"/reviews/{PRODUCT['id']}", request.headers),
        )
        page = render(*answers, user=_user(request))
        return HTMLResponse(page, headers={"cache-control": "no-store"})

    return application(
        [
            Route("/productpage", productpage),
            Route("/login", _login, methods=["GET", "POST"]),
            Route("/logout", _logout),
            Route("/api/v1/products", _products),
            Route("/api/v1/products/{id}", _pass_on(details)),
            Route("/api/v1/products/{id}/reviews", _pass_on(reviews)),
            Route("/api/v1/products/{id}/ratings", _pass_on(ratings)),
            Mount("/static", StaticFiles(directory=Path(__file__).with_name("static"))),
        ],
        lifespan,
    )


async def _products(_request: Request) -> Response:
    return JSONResponse([PRODUCT])


def _pass_on(upstream: Upstream) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        answer = await upstream.get(f"/{upstream.name}/{read_product_id(request)}", request.headers)
        if answer.content:
            return Response(answer.content, answer.status, media_type="application/json")
        return JSONResponse({"error": SORRY.format(upstream.name)}, answer.status)

    return endpoint


async def _login(request: Request) -> Response:
    response = RedirectResponse("/productpage", status_code=303)
    if request.method == "POST":
        form = parse_qs((await read_body(request)).decode(errors="replace"))
        username = form.get("username", [""])[0].strip()
        if not _is_username(username):
            raise HTTPException(400, f"The username must be 1 to {LONGEST_USERNAME} printable characters.")
        # The gateway ends TLS; only this header tells how the browser came.
        secure = request.headers.get("x-forwarded-proto") == "https"
        response.set_cookie(USER_COOKIE, quote(username, safe=""), secure=secure, httponly=True, samesite="lax")
    return response


async def _logout(_request: Request) -> Response:
    response = RedirectResponse("/productpage", status_code=303)
    response.delete_cookie(USER_COOKIE, httponly=True, samesite="lax")
    return response


def _user(request: Request) -> str | None:
    username = unquote(request.cookies.get(USER_COOKIE, ""))
    return username if _is_username(username) else None


def _is_username(value: str) -> bool:
    return 0 < len(value) <= LONGEST_USERNAME and value.isprintable()
