"""What every service does the same: health, errors as JSON, security headers, reading ids and bodies."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Route

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp, Lifespan, Message, Receive, Scope, Send

__all__ = ["application", "read_body", "read_product_id"]

BODY_LIMIT = 16 * 1024
ID_DIGITS = 18

SECURITY_HEADERS = {
    "content-security-policy": "default-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'; object-src 'none'",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
}


def application(routes: Sequence[BaseRoute], lifespan: Lifespan[Starlette] | None = None) -> Starlette:
    """Return an application with these routes and `/health`.

    An error is `{"error": TEXT}`. A path matches as it is written or not at all: a redirect that adds or drops
    a slash would answer for a path that no intention allows.
    """
    made = Starlette(
        routes=[Route("/health", _health), *routes],
        middleware=[Middleware(_Outermost)],
        exception_handlers={HTTPException: _error},
        lifespan=lifespan,
    )
    made.router.redirect_slashes = False
    return made


def read_product_id(request: Request) -> int:
    """Return the `{id}` of the path. Any number is a product, and every product is the same book.

    Raises:
        HTTPException: 400, it isn't a number.
    """
    value: str = request.path_params["id"]
    if not (value.isascii() and value.isdigit() and len(value) <= ID_DIGITS):
        raise HTTPException(400, f"The product's id must be a number of at most {ID_DIGITS} digits.")
    return int(value)


async def read_body(request: Request) -> bytes:
    """Return the request's body.

    Raises:
        HTTPException: 413, it is longer than 16 KiB.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_LIMIT:
            raise HTTPException(413, f"The body must be at most {BODY_LIMIT} bytes long.")
    return bytes(body)


async def _health(_request: Request) -> Response:
    return JSONResponse({"status": "healthy"})


async def _error(_request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    return JSONResponse({"error": error.detail}, error.status_code, headers=error.headers)


class _Outermost:
    """Adds the security headers to every response."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(SECURITY_HEADERS)
            await send(message)

        try:
            await self.app(scope, receive, send_with_headers)
        except asyncio.CancelledError:
            if scope["type"] != "http":
                raise
            # Only a shutdown whose grace is over cancels requests: an answer then, not a traceback in the log.
            await JSONResponse({"error": "The service is stopping."}, 503)(scope, receive, send_with_headers)
