"""What is made of a connection that stays, that is closed, and of what Envoy has counted meanwhile."""

from __future__ import annotations

import socket
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import pytest

from posture.model.access import Request
from posture.verify.layer4 import Layer4Answer, ask_layer4
from posture.verify.target import Endpoint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from posture.verify.target import Target


@dataclass
class Sidecar:
    """One in plain text, that does with each connection what it is told to; its counters go up as it does."""

    listener: socket.socket
    stays: bool = False
    counts: str | None = None
    counters: dict[str, int] = field(default_factory=lambda: {"denied": 3, "allowed": 8})

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            connection.recv(1)
            if self.counts:
                self.counters[self.counts] += 1
            if not self.stays:
                connection.close()

    def sidecars(self, service: str) -> list[Endpoint]:
        return [Endpoint(f"{service}-v1", *self.listener.getsockname())]

    def context(self, source: str | None) -> None:
        assert source == "web"

    def envoy(self, instance: str, path: str) -> str:
        assert instance == "cache-v1"
        word = "denied" if "denied" in path else "allowed"
        return f"connect_authz.rbac.{word}: {self.counters[word]}\n"

    def ask(self) -> Layer4Answer:
        [answer] = ask_layer4(cast("Target", self), Request("web", "cache"))
        return answer


@pytest.fixture
def sidecar() -> Iterator[Sidecar]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        made = Sidecar(listener)
        thread = threading.Thread(target=made.serve)
        thread.start()
        yield made
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_a_connection_that_stays_was_let_through(sidecar: Sidecar) -> None:
    sidecar.stays = True
    assert sidecar.ask() == Layer4Answer("let through", passed_on=True)


def test_one_that_is_closed_and_counted_as_denied_was_refused(sidecar: Sidecar) -> None:
    sidecar.counts = "denied"
    assert sidecar.ask() == Layer4Answer("refused", denied=True)


def test_one_that_the_application_closed_was_let_through(sidecar: Sidecar) -> None:
    sidecar.counts = "allowed"
    assert sidecar.ask() == Layer4Answer("let through", passed_on=True)


def test_of_one_that_nobody_counted_nothing_is_said(sidecar: Sidecar) -> None:
    answer = sidecar.ask()
    assert not answer.denied
    assert not answer.passed_on
    assert "no rule" in answer.words


def test_nobody_there_is_no_refusal(sidecar: Sidecar) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        place = free.getsockname()
    sidecar.sidecars = lambda service: [Endpoint(f"{service}-v1", *place)]  # type: ignore[method-assign]
    answer = sidecar.ask()
    assert not answer.denied
    assert "refused" in answer.words.lower()
