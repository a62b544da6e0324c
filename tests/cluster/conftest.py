"""A server that answers as sidecars and Consul do, for a real curl to ask."""

from __future__ import annotations

import json
import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

CERTIFICATE = "-----BEGIN CERTIFICATE-----\nleaf\n-----END CERTIFICATE-----\n"
KEY = "-----BEGIN EC PRIVATE KEY-----\nkey\n-----END EC PRIVATE KEY-----\n"
TOKEN = "5f0c3f3e-0000-4000-8000-000000000001"  # noqa: S105 - nobody's


class Server(ThreadingHTTPServer):
    """``asked`` holds what came: method, path, headers, body."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, str, dict[str, str], str]] = []

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        assert isinstance(self.server, Server)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        self.server.asked.append((self.command, self.path, dict(self.headers), body))
        if self.path == "/closed":
            self.close_connection = True
            return
        if self.path == "/busy" and len(self.server.asked) < 3:
            self.say(429, b"come back", {"Retry-After": "0"})
        elif self.path == "/denied":
            self.say(403, b"RBAC: access denied")
        elif self.path.startswith("/v1/"):
            self.say(*self.consul(body))
        else:
            self.say(200, f"{self.command} {self.path}".encode(), {"x-envoy-upstream-service-time": "1"})

    def consul(self, body: str) -> tuple[int, bytes]:
        token = self.headers.get("X-Consul-Token")
        answers: dict[str, Any] = {
            "/v1/acl/login": {"SecretID": TOKEN, "Roles": None},
            "/v1/acl/logout": True,
            "/v1/agent/connect/ca/roots": {"Roots": [{"RootCert": "first\n"}, {"RootCert": "second\n"}]},
            "/v1/agent/connect/ca/leaf/web": {"CertPEM": CERTIFICATE, "PrivateKeyPEM": KEY, "Service": "web"},
        }
        if self.path == "/v1/acl/login" and json.loads(body)["BearerToken"] != "a bearer":
            return 403, b"Permission denied: no such account"
        if self.path != "/v1/acl/login" and token != TOKEN:
            return 403, b"ACL not found"
        return 200, json.dumps(answers[self.path], separators=(",", ":")).encode()

    def say(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_POST = do_PUT = do_TRACE = answer  # noqa: N815 - http.server wants them so

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    assert shutil.which("curl"), "these tests ask by curl; install it"
    with Server() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()
