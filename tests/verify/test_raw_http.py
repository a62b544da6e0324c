from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from typing import TYPE_CHECKING

import h11
import pytest

from posture.local.certificate import ensure_certificate
from posture.verify.raw_http import exchange, read_responses, request_bytes
from posture.verify.target import Endpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
DENIED = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\nConnection: close\r\n\r\nRBAC"


class Server:
    """A TLS server that answers one connection with set bytes and keeps what it got."""

    def __init__(self, folder: Path) -> None:
        pair = folder / "certificate.pem", folder / "key.pem"
        ensure_certificate(*pair)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(*pair)
        self.trusting = ssl.create_default_context(cafile=str(pair[0]))
        self.listener = socket.create_server(("127.52.250.1", 0))
        self.listener.settimeout(10)
        self.endpoint = Endpoint("server", *self.listener.getsockname())
        self.got = b""

    def answer(self, data: bytes, *, hang_up: bool = False) -> threading.Thread:
        def serve() -> None:
            with contextlib.suppress(OSError):
                plain, _ = self.listener.accept()
                with plain, self.context.wrap_socket(plain, server_side=True) as connection:
                    self.got = connection.recv(65536)
                    connection.sendall(data)
                    if not hang_up:
                        connection.recv(65536)

        thread = threading.Thread(target=serve)
        thread.start()
        return thread


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path)
    yield made
    made.listener.close()


def test_a_request_goes_out_as_it_was_written(server: Server) -> None:
    data = request_bytes("GET", "//a/../%2e;x\\b#f", [("host", "a"), ("X_y ", "\xff"), ("Host", "b")], body=b"\x00")
    thread = server.answer(OK)
    found = exchange(server.trusting, server.endpoint, data, hostname="localhost")
    thread.join()
    assert server.got == data == b"GET //a/../%2e;x\\b#f HTTP/1.1\r\nhost: a\r\nX_y : \xff\r\nHost: b\r\n\r\n\x00"
    assert (found.responses[0].status, found.responses[0].body, found.end) == (200, b"hi", "")


def test_reading_ends_with_the_answer_not_with_the_connection(server: Server) -> None:
    thread = server.answer(OK)
    found = exchange(server.trusting, server.endpoint, b"x", hostname="localhost", timeout=30)
    thread.join(5)
    assert not thread.is_alive()
    assert found.end == ""


def test_reading_ends_with_an_answer_that_closes_whatever_was_wanted(server: Server) -> None:
    thread = server.answer(OK + DENIED)
    found = exchange(server.trusting, server.endpoint, b"x", hostname="localhost", wanted=5, timeout=30)
    thread.join(5)
    assert [each.status for each in found.responses] == [200, 403]


def test_a_close_on_a_request_is_told_from_silence(server: Server) -> None:
    thread = server.answer(b"", hang_up=True)
    closed = exchange(server.trusting, server.endpoint, b"x", hostname="localhost")
    thread.join()
    thread = server.answer(b"")
    silent = exchange(server.trusting, server.endpoint, b"x", hostname="localhost", timeout=1)
    thread.join()
    assert (closed.responses, closed.connected, closed.end) == ((), True, "closed")
    assert (silent.responses, silent.connected, silent.end) == ((), True, "no answer in 1 s")


def test_nobody_there_is_no_connection(server: Server) -> None:
    server.listener.close()
    found = exchange(server.trusting, server.endpoint, b"x", hostname="localhost")
    assert not found.connected
    assert "refused" in found.end


def test_a_certificate_of_nobody_known_is_no_connection(server: Server) -> None:
    thread = server.answer(OK)
    found = exchange(ssl.create_default_context(), server.endpoint, b"x", hostname="localhost")
    thread.join()
    assert not found.connected
    assert "CERTIFICATE_VERIFY_FAILED" in found.end


@pytest.mark.parametrize("cut", [lambda data: data[:-1], lambda data: data[:20], lambda _: b""])
def test_part_of_an_answer_is_none(cut: Callable[[bytes], bytes]) -> None:
    responses, end = read_responses(OK + cut(DENIED))
    assert ([each.status for each in responses], end) == ([200], "")


def test_answers_are_read_one_after_the_other() -> None:
    chunked = b"HTTP/1.1 400 Bad\r\nTransfer-Encoding: chunked\r\nA: 1\r\nA: 2\r\n\r\n1\r\nx\r\n0\r\n\r\n"
    responses, _ = read_responses(OK + chunked + DENIED)
    assert [(each.status, each.body, each.closes) for each in responses] == [
        (200, b"hi", False),
        (400, b"x", False),
        (403, b"RBAC", True),
    ]
    assert responses[1].headers["a"] == "1,2"


def test_an_answer_to_head_has_no_body() -> None:
    responses, _ = read_responses(OK.removesuffix(b"hi") + OK, "HEAD")
    assert [each.body for each in responses] == [b"", b"hi"]


def test_an_answer_without_a_length_ends_with_the_connection() -> None:
    data = b"HTTP/1.1 200 OK\r\n\r\nhi"
    assert read_responses(data) == ([], "")
    assert [each.body for each in read_responses(data, closed=True)[0]] == [b"hi"]
    assert read_responses(OK[:-1], closed=True) == ([], "cut off within an answer")


def test_what_is_no_http_is_an_error() -> None:
    with pytest.raises(h11.RemoteProtocolError):
        read_responses(b"SSH-2.0-x\r\n\r\n")
