"""`details`: the facts of the book, on GET `/details/ID`. It calls nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import JSONResponse
from starlette.routing import Route

from posture.local.bookinfo.web import application, read_product_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

__all__ = ["build"]

# The edition is made up; its numbers pass the ISBN checksums and belong to no book.
FACTS = {
    "author": "William Shakespeare",
    "year": 1595,
    "type": "paperback",
    "pages": 128,
    "publisher": "Two Dromios Press",
    "language": "English",
    "ISBN-10": "123456789X",
    "ISBN-13": "9781234567897",
}


def build(_environ: Mapping[str, str]) -> Starlette:
    """Return the application; it needs nothing from the environment."""
    return application([Route("/details/{id}", _details)])


async def _details(request: Request) -> Response:
    return JSONResponse({"id": read_product_id(request)} | FACTS)
