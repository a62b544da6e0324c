"""`ratings`: the stars that reviewers gave, on GET `/ratings/ID`; POST replaces a product's. It calls nobody.

What is posted lives as long as the process.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.routing import Route

from posture.local.bookinfo.web import application, read_body, read_product_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

__all__ = ["build"]

FIRST_RATINGS = {"Reviewer1": 5, "Reviewer2": 4}
MOST_STARS = 5
LONGEST_NAME = 64


def build(_environ: Mapping[str, str]) -> Starlette:
    """Return the application; it needs nothing from the environment.

    Both methods answer `{"id": ID, "ratings": {REVIEWER: STARS}}`. POST takes the inner map, 1 to 5 stars each;
    any other body is a 400 and changes nothing.
    """
    posted: dict[int, dict[str, int]] = {}

    async def ratings(request: Request) -> Response:
        product = read_product_id(request)
        if request.method == "POST":
            posted[product] = _read_ratings(await read_body(request))
        return JSONResponse({"id": product, "ratings": posted.get(product, FIRST_RATINGS)})

    return application([Route("/ratings/{id}", ratings, methods=["GET", "POST"])])


def _read_ratings(body: bytes) -> dict[str, int]:
    try:
        ratings = json.loads(body)
    except (ValueError, RecursionError):
        raise HTTPException(400, "The body must be JSON.") from None
    if not isinstance(ratings, dict) or not all(map(_is_name, ratings)) or not all(map(_is_stars, ratings.values())):
        raise HTTPException(400, f"The body must map reviewers to stars from 1 to {MOST_STARS}.")
    return ratings


def _is_name(value: str) -> bool:
    return 0 < len(value) <= LONGEST_NAME and value.isprintable()


def _is_stars(value: object) -> bool:
    return type(value) is int and 1 <= value <= MOST_STARS
