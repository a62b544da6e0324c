"""What programs answer and leave in files is read back, or named in one line, whatever it is."""

from __future__ import annotations

import asyncio
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posture.cluster.connection import connect
from posture.errors import InputError
from posture.local.consul import Consul as LocalConsul
from posture.local.errors import MeshError
from posture.local.plugins.consul_http import Consul, settings
from posture.local.plugins.entry_json import EntryId
from posture.local.plugins.provider_server import Failure
from posture.local.tokens import load_secrets
from posture.local.tools import asking
from posture.program.engine import EngineError
from posture.program.preview import _errors
from tests.hostile.words import PROFILE, TEXTS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONTENTS = st.one_of(
    st.sampled_from(
        [b"", b"{", b"[]", b"null", b"5", b'"x"', b"NaN", b"[" * 100_000, b'{"a":' * 100_000, b"9" * 10_000]
    ),
    st.sampled_from(
        [b'{"major": [], "minor": 1}', b'{"resources": [{}]}', b'{"a": "\\ud800"}', b"\xff\xfe", b"<html>"]
    ),
    st.sampled_from([json.dumps({"services": text}).encode() for text in TEXTS]),
    st.binary(max_size=50),
)


class Server(ThreadingHTTPServer):
    """Answers all with the same."""

    content = b""
    status = 200


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server: Any = self.server
        self.send_response(server.status)
        self.send_header("Content-Length", str(len(server.content)))
        self.end_headers()
        self.wfile.write(server.content)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def holds(error: Exception) -> None:
    assert str(error).isprintable(), error


STATUSES = st.sampled_from([200, 200, 200, 201, 400, 401, 403, 404, 500, 503])


def test_what_answers_for_consul(server: Server) -> None:
    url = f"http://127.0.0.1:{server.server_port}"

    @PROFILE(60)
    @given(CONTENTS, STATUSES)
    def is_read_or_named(content: bytes, status: int) -> None:
        server.content, server.status = content, status
        try:
            found = asyncio.run(Consul(settings({"address": url}, {})).get(EntryId("mesh", "mesh")))
        except Failure:
            pass  # the server of plugins makes one line of it
        else:
            assert found is None or isinstance(found, dict)
        try:
            with LocalConsul(url, "token") as consul:
                consul.call("GET", "/status/leader")
        except MeshError as error:
            holds(error)

    is_read_or_named()


def test_what_answers_for_a_cluster(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "kubeconfig"
    cluster = {"name": "c", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}
    context = {"name": "x", "context": {"cluster": "c", "user": "u"}}
    config = {"clusters": [cluster], "users": [{"name": "u", "user": {"token": "t"}}], "contexts": [context]}
    file.write_text(json.dumps(config))

    @PROFILE(60)
    @given(CONTENTS, STATUSES)
    def is_read_or_named(content: bytes, status: int) -> None:
        server.content, server.status = content, status
        connection = connect("x", str(file))
        for ask in (connection.version, lambda: connection.get("/x"), lambda: connection.resource("v1", "Pod")):
            try:
                ask()
            except InputError as error:
                holds(error)

    is_read_or_named()


@pytest.mark.parametrize("read", ["tokens", "versions", "events"])
def test_a_file_that_was_left(read: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "cache_directory", lambda: tmp_path)
    file = tmp_path / f"{read}.json"
    readers: dict[str, Any] = {
        "tokens": lambda: load_secrets(file),
        "versions": asking._read,
        "events": lambda: list(_errors(file)),
    }

    @PROFILE(60)
    @given(CONTENTS)
    def is_read_or_named(content: bytes) -> None:
        file.write_bytes(content)
        try:
            readers[read]()
        except (InputError, EngineError) as error:
            holds(error)

    is_read_or_named()
