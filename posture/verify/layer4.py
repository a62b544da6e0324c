"""A call to a tcp service: may its caller have a connection?

There is no answer that a proxy could give: one that refuses closes. An application may close, too, so Envoy's counters
are the witness (`connect_authz.rbac.*`; the prefix is Consul's, agent/xds/rbac.go). Rules are held against a
connection when the first byte comes, so one is sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from posture.verify.places import count
from posture.verify.wire import connected

if TYPE_CHECKING:
    import ssl

    from posture.model.access import Request
    from posture.verify.target import Endpoint, Target

__all__ = ["Layer4Answer", "ask_layer4"]

_PATIENCE = 5.0
_STAYS_OPEN = 0.3
"""Seconds after which a connection that is still there was let through; a refused one is closed in some 5 ms."""

_DENIED, _ALLOWED = (rf"^connect_authz\.rbac\.{word}$" for word in ("denied", "allowed"))


@dataclass(frozen=True)
class Layer4Answer:
    """What became of a connection; neither denied nor passed on is one of which nothing can be said."""

    words: str
    denied: bool = False
    passed_on: bool = False
    status: int | None = None


def ask_layer4(target: Target, request: Request) -> list[Layer4Answer]:
    """Connect to each instance of a request's destination as its source; method and path play no part."""
    context = target.context(request.source)
    return [_ask(target, context, endpoint) for endpoint in target.sidecars(request.destination)]


def _ask(target: Target, context: ssl.SSLContext, endpoint: Endpoint) -> Layer4Answer:
    before = [count(target, endpoint.instance, stat) or 0 for stat in (_DENIED, _ALLOWED)]
    try:
        closed = _is_closed(context, endpoint)
    except OSError as error:
        return Layer4Answer(error.strerror or str(error))
    if not closed:
        return Layer4Answer("let through", passed_on=True)
    denied, allowed = (count(target, endpoint.instance, stat) or 0 for stat in (_DENIED, _ALLOWED))
    if denied > before[0]:
        return Layer4Answer("refused", denied=True)
    if allowed > before[1]:
        return Layer4Answer("let through", passed_on=True)
    return Layer4Answer("closed, and no rule has decided")


def _is_closed(context: ssl.SSLContext, endpoint: Endpoint) -> bool:
    """Send a byte; whether the connection ends without an answer."""
    with connected(endpoint, context, None, _PATIENCE) as connection:
        connection.settimeout(_STAYS_OPEN)
        try:
            connection.sendall(b"\n")
            return not connection.recv(1)
        except TimeoutError:
            return False
        except ConnectionError:
            return True
