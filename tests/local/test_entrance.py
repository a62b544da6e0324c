"""When a gateway is taken to be ready; a server of one answer stands for it."""

from __future__ import annotations

import ssl
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from posture.local.certificate import ensure_certificate
from posture.local.entrance import is_ready, wait_for_page
from posture.local.errors import MeshError
from posture.local.layout import Layout
from posture.model.application import Gateway
from posture.verify.answers import UPSTREAM_TIME, Answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., tuple[Gateway, Layout]]]:
    """Has a gateway answer always the same, by the name of a host that this machine doesn't know."""
    layout, servers = Layout("test", tmp_path), []
    ensure_certificate(layout.certificate, layout.private_key, "shop.test")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(layout.certificate, layout.private_key)

    def make(status: int, *, passed_on: bool) -> tuple[Gateway, Layout]:
        class Always(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status)
                if passed_on:
                    self.send_header(UPSTREAM_TIME, "1")
                self.send_header("Content-Length", "0")
                self.end_headers()

        server = ThreadingHTTPServer(("127.0.0.1", 0), Always)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        Thread(target=server.serve_forever, args=(0.01,)).start()
        servers.append(server)
        route = {"exact": "/nothing", "to": "page"}
        gateway = {"hostname": "shop.test", "port": server.server_port, "routes": (route,)}
        return Gateway.model_validate(gateway), layout

    yield make
    for each in servers:
        each.shutdown()
        each.server_close()


def test_a_page_that_the_application_does_not_have_is_served(serve: Callable[..., tuple[Gateway, Layout]]) -> None:
    wait_for_page(*serve(404, passed_on=True), timeout=0.5)


@pytest.mark.parametrize(("status", "passed_on"), [(404, False), (503, False), (503, True)])
def test_a_gateway_without_its_route_or_its_service_is_waited_for(
    serve: Callable[..., tuple[Gateway, Layout]], status: int, *, passed_on: bool
) -> None:
    with pytest.raises(MeshError, match=f"does not serve https://shop.test:.*/nothing: it answered {status}"):
        wait_for_page(*serve(status, passed_on=passed_on), timeout=0.5)


@pytest.mark.parametrize(
    ("answer", "ready"),
    [
        (Answer(200, "", passed_on=True), True),
        (Answer(403, "RBAC: access denied"), True),
        (Answer(404, "", passed_on=True), True),
        (Answer(404, ""), False),
        (Answer(503, "no healthy upstream"), False),
        (Answer(None, "Connection refused"), False),
    ],
    ids=str,
)
def test_a_gateway_is_ready_by_what_it_answers(answer: Answer, *, ready: bool) -> None:
    assert is_ready(answer) is ready
