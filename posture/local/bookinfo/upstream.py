"""Calls to another service: one client per process, a deadline per try, and an answer whatever happens.

A denied, hanging or broken upstream is what postures are demonstrated with, so it is a value here and never an
exception. The caller's tracing headers go along, so that a request keeps one identity across the mesh.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from starlette.datastructures import Headers

__all__ = ["Answer", "Upstream", "new_client"]

# W3C trace context, Zipkin's B3, and what Envoy, OpenTracing and Google's tracer add.
IDENTITY_HEADERS = frozenset(
    {"x-request-id", "traceparent", "tracestate", "b3", "x-ot-span-context", "x-cloud-trace-context"}
)
B3_PREFIX = "x-b3-"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a call.

    Attributes:
        status: The upstream's own status, or 502 when it couldn't be reached or a success wasn't JSON, or 504
            when it didn't answer in time.
        content: The body as it came; empty unless it is JSON.
        body: The body, parsed; `None` unless it is JSON.
        outcome: The same in a few words for people: "details answered 403".
    """

    status: int
    content: bytes
    body: object
    outcome: str


@dataclass(frozen=True, slots=True)
class Upstream:
    """A service to call.

    Attributes:
        name: What people call it.
        url: Its base URL, without a slash at the end.
        client: The process's client.
        seconds: How long one try may take, from connecting to the body's last byte.
        tries: How often to ask until the answer is a 200.
    """

    name: str
    url: str
    client: httpx.AsyncClient
    seconds: float
    tries: int = 1

    async def get(self, path: str, caller: Headers) -> Answer:
        """GET a path, passing on the tracing headers of `caller`; the last try's answer counts."""
        headers = [(name, value) for name, value in caller.items() if _is_identity(name)]
        for _ in range(self.tries):
            answer = await self._try(path, headers)
            if answer.status == HTTPStatus.OK:
                break
        return answer

    async def _try(self, path: str, headers: list[tuple[str, str]]) -> Answer:
        try:
            # httpx bounds each read; an upstream that trickles would hold the page for ever.
            async with asyncio.timeout(self.seconds):
                response = await self.client.get(self.url + path, headers=headers)
        except (TimeoutError, httpx.TimeoutException):
            return Answer(504, b"", None, f"{self.name} did not answer within {self.seconds:g} s")
        except httpx.HTTPError:
            return Answer(502, b"", None, f"{self.name} could not be reached")
        outcome = f"{self.name} answered {response.status_code}"
        try:
            body: object = response.json()
        except (ValueError, RecursionError):
            if response.status_code >= HTTPStatus.BAD_REQUEST:  # Envoy's own refusals are plain text
                return Answer(response.status_code, b"", None, outcome)
            return Answer(502, b"", None, f"{outcome}, but not in JSON")
        return Answer(response.status_code, response.content, body, outcome)


def new_client() -> httpx.AsyncClient:
    """Return the client that all of a process's upstreams share; close it when the process ends.

    It speaks to sidecars in plain HTTP: no proxy from the environment, no certificate store (which would cost
    memory and trust).
    """
    nobody_trusted = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return httpx.AsyncClient(trust_env=False, verify=nobody_trusted, timeout=None)  # noqa: S113  # Upstream has it


def _is_identity(name: str) -> bool:
    return name in IDENTITY_HEADERS or name.startswith(B3_PREFIX)
