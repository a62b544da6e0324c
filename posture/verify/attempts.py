"""One try at an endpoint, byte by byte: what a client that keeps no rule of HTTP or TLS would get to see.

An attempt ends with the first line of an answer. Envoy holds a connection whose request it denied for about a second,
so that reading on to its end would take that long.
"""

from __future__ import annotations

import re
import ssl
import warnings
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING

from posture.verify.wire import NotReachedError, connected

if TYPE_CHECKING:
    import socket

    from posture.verify.target import Endpoint

__all__ = ["Attempt", "Reply", "attempt", "get", "offer_only", "why_not_offered"]

_PATIENCE = 5.0
_TLS_ALERT = b"\x15\x03"
_LONGEST_LINE = 200


class Reply(Enum):
    """How the other side took it."""

    ANSWERED = "answered"
    REFUSED = "refused"
    """Closed the connection, or sent a TLS alert."""
    NONE = "nothing"
    """Could not be reached, or was silent until time was up: that proves nothing."""


@dataclass(frozen=True)
class Attempt:
    """What came of a try.

    Args:
        reply: How it was taken.
        words: The answer's first line, the TLS alert as OpenSSL names it, or the error.
        status: The answer's HTTP status, if it has one.
        version: The TLS version of the connection, as `TLSv1.3`, when its handshake was completed.
        certificate: The other side's certificate (DER), likewise. It is genuine only if the context checks that.
    """

    reply: Reply
    words: str
    status: int | None = None
    version: str | None = None
    certificate: bytes | None = None


def get(path: str, host: str) -> bytes:
    """A GET that asks to close the connection after it."""
    return f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()


def attempt(
    endpoint: Endpoint, request: bytes, context: ssl.SSLContext | None = None, server_name: str | None = None
) -> Attempt:
    """Connect, send these bytes, and read the first line that comes back, within 5 s each.

    Args:
        endpoint: Where to.
        request: What to send.
        context: How to do TLS; None sends the bytes in plain text.
        server_name: The name to ask for in TLS (SNI), and to be checked where the context does so.
    """
    try:
        with connected(endpoint, context, server_name, _PATIENCE) as stream:
            if not isinstance(stream, ssl.SSLSocket):
                return _exchange(stream, request)
            version, certificate = stream.version(), stream.getpeercert(binary_form=True)
            return replace(_exchange(stream, request), version=version, certificate=certificate)
    except NotReachedError as error:
        return Attempt(Reply.NONE, f"not reached: {error}")
    except ssl.SSLCertVerificationError as error:
        return Attempt(Reply.NONE, f"its certificate is not trusted: {error.verify_message}")
    except OSError as error:
        return _broken_off(error)


def offer_only(version: ssl.TLSVersion) -> ssl.SSLContext:
    """A TLS context without a certificate that offers one version and trusts anybody: it only looks how far it gets."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")  # at higher levels OpenSSL 3 has no ciphers for TLS 1.1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # offering what is deprecated is the point
        context.minimum_version = context.maximum_version = version
    return context


def why_not_offered(context: ssl.SSLContext) -> str | None:
    """Why the local OpenSSL can't begin a handshake with a context, or None if it can. Nothing is sent anywhere."""
    try:
        context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO()).do_handshake()
    except ssl.SSLWantReadError:
        return None
    except ssl.SSLError as error:
        return _alert(error)
    return None


def _exchange(stream: socket.socket, request: bytes) -> Attempt:
    line = b""
    try:
        with suppress(ssl.SSLError, ConnectionError):  # refused already; why can still be read
            stream.sendall(request)
        while b"\n" not in line and len(line) < _LONGEST_LINE and (more := stream.recv(_LONGEST_LINE)):
            line += more
    except OSError as error:
        return _broken_off(error)
    if not line:
        return Attempt(Reply.REFUSED, "connection closed")
    if line.startswith(_TLS_ALERT):
        return Attempt(Reply.REFUSED, "TLS alert")
    found = re.match(rb"HTTP/1\.[01] (\d{3})", line)
    words = line.partition(b"\n")[0].decode("latin-1").strip()
    return Attempt(Reply.ANSWERED, words, int(found[1]) if found else None)


def _broken_off(error: OSError) -> Attempt:
    if isinstance(error, TimeoutError):
        return Attempt(Reply.NONE, f"silent for {_PATIENCE:.0f} s")
    return Attempt(Reply.REFUSED, _alert(error) if isinstance(error, ssl.SSLError) else error.strerror or str(error))


def _alert(error: ssl.SSLError) -> str:
    """OpenSSL's `TLSV13_ALERT_CERTIFICATE_REQUIRED` as words; without a reason, the connection just ended."""
    return error.reason.replace("_", " ").lower() if error.reason else "connection closed"
