"""`reviews`: what readers wrote, on GET `/reviews/ID`. Its version decides about the stars.

v1 shows none and never calls `ratings`; v2's are black, v3's are red.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse
from starlette.routing import Route

from posture.errors import InputError
from posture.local.bookinfo.environment import read_url, read_value
from posture.local.bookinfo.texts import RATINGS_UNAVAILABLE
from posture.local.bookinfo.web import application, read_product_id

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

    from posture.local.bookinfo.upstream import Answer

__all__ = ["build"]

COLORS = {"v1": None, "v2": "black", "v3": "red"}

# Under the 3 s that productpage waits: hanging ratings must cost the page its stars, not its reviews.
RATINGS_SECONDS = 2.5

REVIEWS = {
    "Reviewer1": "Two pairs of twins, one small town and not a dull minute. I lost track of who owed what to whom, "
    "and laughed all the more.",
    "Reviewer2": "Lighter than the plays that made its author famous, and better company on a train. Read it aloud, "
    "preferably with somebody who looks like you.",
}


def build(environ: Mapping[str, str]) -> Starlette:
    """Return the application of the version that `SERVICE_VERSION` (v1, v2, v3) names.

    It answers `{"id": "ID", "podname": "reviews-VERSION", "clustername", "reviews": [{"reviewer", "text",
    "rating"}]}`. A rating is `{"stars": 1..5, "color"}`, or `{"error"}` when `ratings` couldn't be asked; there
    is none in v1 and for a reviewer that nobody rated.

    Raises:
        InputError: The version is none of the three, or v2 or v3 has no usable `RATINGS_URL`.
    """
    version = read_value(environ, "SERVICE_VERSION", "v1")
    if version not in COLORS:
        raise InputError(f"SERVICE_VERSION is {version!r}; use one of {', '.join(COLORS)}")
    color = COLORS[version]
    if color is None:
        return _without_stars(version)
    return _with_stars(version, color, read_url(environ, "RATINGS_URL"))


def _without_stars(version: str) -> Starlette:
    async def reviews(request: Request) -> Response:
        return _response(read_product_id(request), version, {})

    return application([Route("/reviews/{id}", reviews)])


def _with_stars(version: str, color: str, ratings_url: str) -> Starlette:
    from posture.local.bookinfo.upstream import Upstream, new_client  # noqa: PLC0415  # v1 saves its memory

    client = new_client()
    ratings = Upstream("ratings", ratings_url, client, RATINGS_SECONDS)

    @asynccontextmanager
    async def lifespan(_application: Starlette) -> AsyncIterator[None]:
        async with client:
            yield

    async def reviews(request: Request) -> Response:
        product = read_product_id(request)
        answer = await ratings.get(f"/ratings/{product}", request.headers)
        return _response(product, version, _ratings(answer, color))

    return application([Route("/reviews/{id}", reviews)], lifespan)


def _response(product: int, version: str, ratings: Mapping[str, object]) -> Response:
    reviews = [
        {"reviewer": reviewer, "text": text} | ({"rating": ratings[reviewer]} if reviewer in ratings else {})
        for reviewer, text in REVIEWS.items()
    ]
    podname = f"reviews-{version}"
    return JSONResponse({"id": str(product), "podname": podname, "clustername": "local", "reviews": reviews})


def _ratings(answer: Answer, color: str) -> dict[str, object]:
    stars = answer.body.get("ratings") if isinstance(answer.body, dict) else None
    if answer.status != HTTPStatus.OK or not isinstance(stars, dict):
        return {reviewer: {"error": RATINGS_UNAVAILABLE} for reviewer in REVIEWS}
    return {reviewer: {"stars": count, "color": color} for reviewer, count in stars.items()}
