"""A fresh connection to an endpoint, in plain text or over TLS, for bytes of our own choosing."""

from __future__ import annotations

import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator

    from posture.verify.target import Endpoint

__all__ = ["NotReachedError", "connected"]


class NotReachedError(OSError):
    """Nobody took the connection, before anything was said on it."""


@contextmanager
def connected(
    endpoint: Endpoint, context: ssl.SSLContext | None, server_name: str | None, timeout: float
) -> Iterator[socket.socket]:
    """A connection, closed in the end.

    It goes without Nagle's algorithm, by which a request would wait 40 ms for the handshake's last ACK.

    Args:
        endpoint: Where to.
        context: How to do TLS; None is plain text.
        server_name: The name to ask for in TLS (SNI), and to be checked where the context does so.
        timeout: Seconds for each step.

    Raises:
        NotReachedError: In words of the system's.
        OSError: The handshake failed.
    """
    try:
        plain = socket.create_connection((endpoint.host, endpoint.port), timeout)
    except OSError as error:
        raise NotReachedError(str(error)) from error
    with plain:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context is None:
            yield plain
            return
        with context.wrap_socket(plain, server_hostname=server_name) as secure:
            yield secure
