"""What is made of answers that limits give, and of a place that is taken for a moment; the answers are made up."""

from __future__ import annotations

import ssl
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from posture.verify import door, http2
from posture.verify.door import Door
from posture.verify.findings import Outcome
from posture.verify.grounds import Ground, Plain
from posture.verify.raw_http import Exchange, Response
from posture.verify.smuggling import FAMILY
from posture.verify.target import Endpoint

if TYPE_CHECKING:
    from collections.abc import Iterator

ENDPOINT = Endpoint("productpage-v1", "127.0.0.1", 1)
GROUND = Ground("gateway", "productpage", Plain("POST", "/x"), "/static/0", Plain("GET", "/static/0"), "POST", "fortio")
BEHIND = {"x-envoy-upstream-service-time": "1"}


@dataclass
class Limiter:
    """Behind a gateway, which passes on what it says. Time goes by while somebody sleeps."""

    per_second: float
    tokens: float = 10
    slept: float = 0

    def exchange(self, *_: object, **__: object) -> Exchange:
        limited = self.tokens < 1
        self.tokens -= 0 if limited else 1
        return Exchange((Response(429 if limited else 200, BEHIND, b""),))

    def sleep(self, seconds: float) -> None:
        self.slept += seconds
        self.tokens = min(self.tokens + seconds * self.per_second, 10)


@pytest.mark.parametrize(
    ("per_second", "expected"),
    [(100, {Outcome.HOLDS}), (5, {Outcome.HOLDS, Outcome.NOT_MEASURED}), (0.01, {Outcome.NOT_MEASURED})],
)
def test_a_rate_behind_the_gateway_is_no_smuggled_request(
    per_second: float, expected: set[Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    limiter = Limiter(per_second)
    monkeypatch.setattr(door, "exchange", limiter.exchange)
    monkeypatch.setattr(door, "exchanges", lambda *_, **__: iter(()))
    monkeypatch.setattr("time.sleep", limiter.sleep)
    tried = Door(GROUND, ENDPOINT, ssl.create_default_context(), "localhost", lambda _: True).try_everything()
    found = {each.outcome for each in tried if each.family == FAMILY}
    assert found == expected
    assert limiter.slept <= 11


@pytest.mark.parametrize(("taken", "connects"), [(3, [True, True]), (10_000, [False, False])])
def test_http2_waits_for_a_place_and_only_once_in_vain(
    taken: int, connects: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[int] = []

    @contextmanager
    def connected(*_: object) -> Iterator[None]:
        tries.append(len(tries))
        if len(tries) <= taken:
            raise ConnectionResetError
        yield

    class Session:
        def __init__(self, _: object) -> None:
            """Over a connection that nobody needs."""

        @staticmethod
        def ask(*_: object) -> Exchange:
            return Exchange((Response(200, {}, b""),))

    monkeypatch.setattr(http2, "connected", connected)
    monkeypatch.setattr(http2, "_Session", Session)
    monkeypatch.setattr(http2, "_PATIENCE", 30 if all(connects) else 0.5)
    found = list(http2.exchanges(ssl.create_default_context(), ENDPOINT, [[], []]))
    assert [each.connected for each in found] == connects
    assert len(tries) <= 8
