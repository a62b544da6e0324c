"""What a capture says of stand-in sidecars: one that seals, one that doesn't, one that nothing passes."""

from __future__ import annotations

import os
import shutil
import socket
import socketserver
import ssl
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from posture.local.certificate import ensure_certificate
from posture.model.access import Access, Request
from posture.model.application import load_application
from posture.model.entries import compile_entries
from posture.model.posture import load_posture
from posture.verify.capture import Records, capture_findings, read_records
from posture.verify.findings import Finding, Outcome
from posture.verify.target import Endpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from posture.model.access import Arrival
    from posture.verify.target import NearTarget

ROOT = Path(__file__).parents[2]
APPLICATION = load_application(ROOT / "apps" / "bookinfo.yaml")
ACCESS = Access(compile_entries(APPLICATION, load_posture(ROOT / "stacks", "layered-allow", APPLICATION)))


def _may_capture() -> bool:
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM).close()
    except OSError:
        return False
    return True


needs_net_raw = pytest.mark.skipif(not _may_capture(), reason="capturing needs CAP_NET_RAW")


@dataclass(frozen=True)
class StandIn:
    """As much of a target as a capture asks for: details behind a sidecar, to which calls and visits go."""

    sidecar: Endpoint
    application: Endpoint
    context: ssl.SSLContext | None = None
    kept: list[socket.socket] = field(default_factory=list)

    def sidecars(self, service: str) -> list[Endpoint]:
        return [self.sidecar] if service == "details" else []

    def applications(self, service: str) -> list[Endpoint]:
        return [self.application] if service == "details" else []

    def ask(self, request: Request) -> None:
        if request.destination == "details":
            self._send(request.headers["X-Posture-Mark"])

    def enter(self, arrival: Arrival) -> None:
        self._send(arrival.headers["X-Posture-Mark"])

    def connect(self) -> socket.socket:
        connection = socket.create_connection((self.sidecar.host, self.sidecar.port), timeout=5)
        return self.context.wrap_socket(connection) if self.context else connection

    def _send(self, mark: str) -> None:
        connection = self.kept[0] if self.kept else self.connect()
        connection.sendall(f"GET /details/0 HTTP/1.1\r\nHost: details\r\nX-Posture-Mark: {mark}\r\n\r\n".encode())
        assert b"HTTP/1.1" in connection.recv(4096)
        if not self.kept:
            connection.close()


class _Details(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        text = b"The Comedy of Errors"
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def run() -> Iterator[Callable[[socketserver.TCPServer], Endpoint]]:
    started: list[socketserver.TCPServer] = []

    def start(server: socketserver.TCPServer) -> Endpoint:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        started.append(server)
        return Endpoint("details-v1", "127.0.0.1", server.server_address[1])

    yield start
    for server in started:
        server.shutdown()
        server.server_close()


@pytest.fixture
def details(run: Callable[[socketserver.TCPServer], Endpoint]) -> Endpoint:
    return run(ThreadingHTTPServer(("127.0.0.1", 0), _Details))


def relay(onward: Endpoint | None, context: ssl.SSLContext | None = None) -> socketserver.TCPServer:
    """A sidecar that takes plaintext, or TLS if it has a context, and refuses if it has nowhere to go."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            connection: socket.socket = self.request
            connection.settimeout(5)
            if context:
                connection = context.wrap_socket(connection, server_side=True)
            while request := connection.recv(4096):
                answer = b"HTTP/1.1 403 Forbidden\r\n\r\n"
                if onward:
                    with socket.create_connection((onward.host, onward.port), timeout=5) as further:
                        further.sendall(request)
                        answer = further.recv(4096)
                connection.sendall(answer)

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    return server


def finding(target: StandIn) -> Finding:
    (found,) = capture_findings(cast("NearTarget", target), APPLICATION, ACCESS)
    return found


@needs_net_raw
def test_what_a_sidecar_seals_is_not_seen(
    details: Endpoint, run: Callable[[socketserver.TCPServer], Endpoint], tmp_path: Path
) -> None:
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    ensure_certificate(certificate, key)
    of_server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    of_server.load_cert_chain(certificate, key)
    of_client = ssl.create_default_context(cafile=str(certificate))
    of_client.check_hostname = False
    found = finding(StandIn(run(relay(details, of_server)), details, of_client))
    assert found.outcome is Outcome.HOLDS, found
    assert "the mark, sent from a sidecar, is seen behind it only" in found.observed


@needs_net_raw
def test_plaintext_is_seen(details: Endpoint, run: Callable[[socketserver.TCPServer], Endpoint]) -> None:
    found = finding(StandIn(run(relay(details)), details))
    assert found.outcome is Outcome.FAILS, found
    assert "no TLS: b'GET /details/0" in found.observed


@needs_net_raw
def test_plaintext_is_seen_on_a_connection_of_before(
    details: Endpoint, run: Callable[[socketserver.TCPServer], Endpoint]
) -> None:
    target = StandIn(run(relay(details)), details)
    with target.connect() as kept:
        target.kept.append(kept)
        found = finding(target)
    assert found.outcome is Outcome.FAILS, found
    assert "readable: b'GET /details/0" in found.observed


@needs_net_raw
def test_a_request_that_goes_past_the_sidecar_fails(
    details: Endpoint, run: Callable[[socketserver.TCPServer], Endpoint]
) -> None:
    @dataclass(frozen=True)
    class Past(StandIn):
        def connect(self) -> socket.socket:
            return socket.create_connection((self.application.host, self.application.port), timeout=5)

    found = finding(Past(run(relay(details)), details))
    assert found.outcome is Outcome.FAILS, found
    assert found.observed == "no TLS, though the request reached the service"


@needs_net_raw
def test_without_the_control_nothing_is_claimed(
    details: Endpoint, run: Callable[[socketserver.TCPServer], Endpoint]
) -> None:
    found = finding(StandIn(run(relay(None)), details))
    assert found.outcome is Outcome.NOT_MEASURED, found
    assert "no request reaches the service" in found.observed


def test_a_mesh_of_other_machines_is_not_measured(details: Endpoint) -> None:
    found = finding(StandIn(details._replace(host="192.0.2.1"), details))
    assert found.outcome is Outcome.NOT_MEASURED
    assert "not on this machine" in found.observed


def test_without_the_capability_nothing_is_claimed() -> None:
    """Run without CAP_NET_RAW: this process as it is, or a child that has dropped it."""
    code = (
        "from tests.verify import test_capture as t; details = t.Endpoint('details-v1', '127.0.0.1', 9);"
        "found = t.finding(t.StandIn(details, details)); print(found.outcome, found.observed, sep='; ')"
    )
    drop = [str(shutil.which("setpriv")), "--bounding-set=-net_raw", "--inh-caps=-net_raw"] if _may_capture() else []
    done = subprocess.run(
        [*drop, sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.startswith("not measured; it needs the capability CAP_NET_RAW"), done.stdout + done.stderr


def test_tls_records_are_told_from_other_bytes() -> None:
    hello, data = b"\x16\x03\x01\x00\x02hi", b"\x17\x03\x03\x00\x05aside"
    assert read_records(hello + data) == Records(2, b"aside")
    assert read_records(hello + data[:-2]) == Records(2, b"asi")
    assert read_records(b"GET / HTTP/1.1\r\n\r\n") is None
    assert read_records(hello + b"GET / HTTP/1.1\r\n\r\n") is None
    assert read_records(b"\x17\x03\x03\xff\xff" + bytes(70000)) is None
