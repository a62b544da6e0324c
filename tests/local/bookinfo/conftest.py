"""The services as real processes on addresses of their own, and one upstream whose answers a test decides."""

from __future__ import annotations

import itertools
import os
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.conftest import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_STARTED_WITHIN = 15


@pytest.fixture(scope="session")
def new_address() -> Callable[[], str]:
    """Hand out loopback addresses that no other worker of this test run uses."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    numbers = itertools.count(1)
    return lambda: f"127.30.{worker}.{next(numbers)}"


@pytest.fixture(scope="session")
def _transport() -> Iterator[httpx.HTTPTransport]:
    with httpx.HTTPTransport() as transport:
        yield transport


@pytest.fixture
def http(_transport: httpx.HTTPTransport) -> httpx.Client:
    """A client with no cookies, no proxy, and connections that outlive the test."""
    return httpx.Client(transport=_transport, trust_env=False)


@pytest.fixture(scope="session")
def spawn(new_address: Callable[[], str]) -> Iterator[Callable[..., tuple[subprocess.Popen[str], str]]]:
    """Start a service without waiting for it; returns the process and its URL."""
    processes = []

    def spawn(service: str, **environ: str) -> tuple[subprocess.Popen[str], str]:
        address = new_address()
        with socket.create_server((address, 0)) as free:
            port = free.getsockname()[1]
        process = subprocess.Popen(
            [sys.executable, "-m", "posture.local.bookinfo", service],
            env=os.environ | {"LISTEN_ADDRESS": address, "LISTEN_PORT": str(port)} | environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        return process, f"http://{address}:{port}"

    yield spawn
    for process in processes:
        process.terminate()
    for process in processes:
        process.communicate(timeout=5)


@pytest.fixture(scope="session")
def wait_for(_transport: httpx.HTTPTransport) -> Callable[[str], None]:
    """Wait until a service answers."""

    http = httpx.Client(transport=_transport, trust_env=False)

    def wait_for(url: str) -> None:
        def answers() -> bool:
            try:
                return http.get(f"{url}/health").raise_for_status().is_success
            except httpx.TransportError:
                return False

        eventually(answers, f"{url} did not start", _STARTED_WITHIN)

    return wait_for


@pytest.fixture(scope="session")
def urls(spawn: Callable[..., tuple[subprocess.Popen[str], str]], wait_for: Callable[[str], None]) -> Mapping[str, str]:
    """The whole application, without a mesh: a productpage for each version of reviews."""
    started = {name: spawn(name)[1] for name in ("details", "ratings")}
    for version in ("v1", "v2", "v3"):
        reviews = spawn("reviews", SERVICE_VERSION=version, RATINGS_URL=started["ratings"])[1]
        started[f"reviews-{version}"] = reviews
        started[f"productpage-{version}"] = spawn(
            "productpage", DETAILS_URL=started["details"], REVIEWS_URL=reviews, RATINGS_URL=started["ratings"]
        )[1]
    for url in started.values():
        wait_for(url)
    return started


@pytest.fixture(scope="session")
def _stub(
    new_address: Callable[[], str],
) -> Iterator[tuple[str, dict[str, tuple[int, str]], list[tuple[str, dict[str, str]]]]]:
    answers: dict[str, tuple[int, str]] = {}
    asked: list[tuple[str, dict[str, str]]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
            status, body = answers.get(self.path, (404, "not found"))
            self.send_response(status)
            self.send_header("content-length", str(len(body.encode())))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer((new_address(), 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield "http://{}:{}".format(*server.server_address[:2]), answers, asked
        server.shutdown()


@pytest.fixture
def answers(
    _stub: tuple[str, dict[str, tuple[int, str]], list[tuple[str, dict[str, str]]]],
) -> dict[str, tuple[int, str]]:
    """What the stubbed upstream answers: status and body by path; a test fills it in."""
    _stub[1].clear()
    return _stub[1]


@pytest.fixture
def asked(
    _stub: tuple[str, dict[str, tuple[int, str]], list[tuple[str, dict[str, str]]]],
) -> list[tuple[str, dict[str, str]]]:
    """The requests that the stubbed upstream got: path and headers, names in lower case."""
    _stub[2].clear()
    return _stub[2]


@pytest.fixture(scope="session")
def stubbed(
    _stub: tuple[str, dict[str, tuple[int, str]], list[tuple[str, dict[str, str]]]],
    spawn: Callable[..., tuple[subprocess.Popen[str], str]],
    wait_for: Callable[[str], None],
) -> Mapping[str, str]:
    """A productpage and all reviews that call nothing but the stubbed upstream."""
    upstream = _stub[0]
    started = {
        "productpage": spawn("productpage", DETAILS_URL=upstream, REVIEWS_URL=upstream, RATINGS_URL=upstream)[1],
        "reviews-v1": spawn("reviews", SERVICE_VERSION="v1")[1],
        "reviews-v2": spawn("reviews", SERVICE_VERSION="v2", RATINGS_URL=upstream)[1],
    }
    for url in started.values():
        wait_for(url)
    return started
