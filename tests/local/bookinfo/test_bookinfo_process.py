"""A service as a process: what it needs to start, and how it ends."""

from __future__ import annotations

import signal
import socket
import statistics
import time
from typing import TYPE_CHECKING

import httpx
import pytest

from posture.local.bookinfo.__main__ import main

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Mapping

    Spawn = Callable[..., tuple[subprocess.Popen[str], str]]


@pytest.mark.parametrize(
    ("service", "environ", "complaint"),
    [
        ("reviewz", {}, "'reviewz' names no service; name one of productpage, details, reviews, ratings"),
        ("details", {"LISTEN_ADDRESS": ""}, "LISTEN_ADDRESS is not set; set it, for instance to 127.10.1.1"),
        ("details", {"LISTEN_ADDRESS": "0.0.0.0"}, "LISTEN_ADDRESS is '0.0.0.0'; use an address in 127.0.0.0/8"),  # noqa: S104  # it is refused
        ("details", {"LISTEN_ADDRESS": "localhost"}, "LISTEN_ADDRESS is 'localhost'; use an address in"),
        ("details", {"LISTEN_PORT": ""}, "LISTEN_PORT is not set; set it, for instance to 9080"),
        ("details", {"LISTEN_PORT": "0"}, "LISTEN_PORT is '0'; use a number from 1 to 65535"),
        ("details", {"LISTEN_PORT": "65536"}, "LISTEN_PORT is '65536'; use a number from 1 to 65535"),
        ("details", {"LISTEN_PORT": "http"}, "LISTEN_PORT is 'http'; use a number from 1 to 65535"),
        ("reviews", {}, "SERVICE_VERSION is not set; set it, for instance to v1"),
        ("reviews", {"SERVICE_VERSION": "v4"}, "SERVICE_VERSION is 'v4'; use one of v1, v2, v3"),
        ("reviews", {"SERVICE_VERSION": "v2"}, "RATINGS_URL is not set; set it, for instance to http://"),
        ("productpage", {}, "DETAILS_URL is not set; set it"),
        ("productpage", {"DETAILS_URL": "details:9080"}, "DETAILS_URL is 'details:9080', not an upstream's address;"),
        ("productpage", {"DETAILS_URL": "https://127.0.0.1:1"}, "DETAILS_URL is 'https://127.0.0.1:1', not an"),
        ("productpage", {"DETAILS_URL": "http://127.0.0.1:x"}, "DETAILS_URL is 'http://127.0.0.1:x', not an"),
        ("productpage", {"DETAILS_URL": "http://127.0.0.1:1/x"}, "DETAILS_URL is 'http://127.0.0.1:1/x', not an"),
        ("productpage", {"DETAILS_URL": "http://a:b@c"}, "DETAILS_URL is 'http://a:b@c', not an upstream's address;"),
    ],
)
def test_input_that_cannot_be_used_is_one_line_and_exit_2(
    capsys: pytest.CaptureFixture[str], service: str, environ: dict[str, str], complaint: str
) -> None:
    assert main([service], {"LISTEN_ADDRESS": "127.0.0.1", "LISTEN_PORT": "9080"} | environ) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"error: {complaint}")
    assert err.count("\n") == 1


def test_an_address_in_use_is_one_line_and_exit_2(spawn: Spawn, new_address: Callable[[], str]) -> None:
    with socket.create_server((new_address(), 0)) as taken:
        address, port = taken.getsockname()
        process, _ = spawn("details", LISTEN_ADDRESS=address, LISTEN_PORT=str(port))
        _, err = process.communicate(timeout=10)
    assert process.returncode == 2
    assert err == f"error: can't listen on {address}:{port}: Address already in use; free it, or choose another\n"


def test_answers_on_an_open_connection_are_not_held_back(http: httpx.Client, urls: Mapping[str, str]) -> None:
    def took() -> float:
        begin = time.monotonic()
        http.get(f"{urls['details']}/details/0").raise_for_status()
        return time.monotonic() - begin

    assert statistics.median(took() for _ in range(50)) < 0.02  # 40 ms each with Nagle's algorithm


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_at_once_and_quietly_with_a_connection_open(
    spawn: Spawn, wait_for: Callable[[str], None], number: signal.Signals
) -> None:
    process, url = spawn("ratings")
    wait_for(url)
    with httpx.Client(base_url=url) as caller:
        caller.get("/ratings/0").raise_for_status()
        begin = time.monotonic()
        process.send_signal(number)
        output = process.communicate(timeout=10)
    assert (process.returncode, *output) == (0, "", "")
    assert time.monotonic() - begin < 2


def test_a_request_under_way_does_not_hold_up_the_end(
    spawn: Spawn, wait_for: Callable[[str], None], new_address: Callable[[], str]
) -> None:
    with socket.create_server((new_address(), 0)) as hanging:
        hangs = "http://{}:{}".format(*hanging.getsockname())
        process, url = spawn("reviews", SERVICE_VERSION="v2", RATINGS_URL=hangs)
        wait_for(url)
        with socket.create_connection(url.removeprefix("http://").split(":")) as caller:  # type: ignore[arg-type]  # a list is as good as a pair
            caller.sendall(b"GET /reviews/0 HTTP/1.1\r\nhost: reviews\r\n\r\n")
            held = hanging.accept()[0]
            held.recv(1)  # the request has arrived where it hangs
            begin = time.monotonic()
            process.terminate()
            _, err = process.communicate(timeout=10)
            took = time.monotonic() - begin
            answer = caller.recv(1000)
        held.close()
    assert process.returncode == 0
    assert took < 2  # of the three seconds that the upstream is waited for
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert "Traceback" not in err
