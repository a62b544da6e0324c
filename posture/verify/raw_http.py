"""HTTP/1.1 as bytes of our own choosing over TLS: a client library would normalise what a bypass attempt is about.

Answers are read only to their own end. To read to the connection's would take a second each: so long Envoy holds a
connection that it has refused something on (its delayed close).
"""

from __future__ import annotations

import ssl
import time
from typing import TYPE_CHECKING, NamedTuple

import h11

from posture.verify.wire import connected

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterable

    from posture.verify.target import Endpoint

__all__ = ["Exchange", "Header", "Response", "exchange", "read_responses", "request_bytes"]

Header = tuple[str, str]
_CHUNK = 65536


class Response(NamedTuple):
    """An answer; names of headers in lower case, several of one name joined by a comma."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def closes(self) -> bool:
        """Whether it is the connection's last."""
        return "close" in self.headers.get("connection", "").lower()


class Exchange(NamedTuple):
    """What came back for some bytes.

    ``connected`` tells a connection that was closed on a request from one that never came to be. ``end`` is why
    nothing more was read, empty if all that was wanted came. ``peer`` is the SPIFFE ID of who answered, if it has one.
    """

    responses: tuple[Response, ...]
    end: str = ""
    connected: bool = True
    peer: str = ""


def request_bytes(
    method: str,
    target: str,
    headers: Iterable[Header] = (),
    *,
    body: bytes = b"",
    version: str = "HTTP/1.1",
) -> bytes:
    """A request as it stands on the wire, nothing checked, added or changed; text becomes bytes as Latin-1."""
    head = [f"{method} {target} {version}", *(f"{name}: {value}" for name, value in headers), "", ""]
    return "\r\n".join(head).encode("latin-1") + body


def exchange(  # noqa: PLR0913 - each is one thing that attempts differ in
    context: ssl.SSLContext,
    endpoint: Endpoint,
    data: bytes,
    *,
    method: str = "GET",
    hostname: str | None = None,
    wanted: int = 1,
    timeout: float = 5,
) -> Exchange:
    """Send bytes on a fresh connection and read answers until there are as many as wanted, or one is the last.

    Args:
        context: Whom to trust, and as whom to come.
        endpoint: Where.
        data: What to send.
        method: That of the first request in it: an answer to HEAD has a length and no body.
        hostname: The name that the certificate must bear, where the context checks names.
        wanted: How many answers to read at most.
        timeout: For all of it, in seconds.
    """
    responses: list[Response] = []
    sent, peer = False, ""
    until = time.monotonic() + timeout
    try:
        with connected(endpoint, context, hostname, timeout) as connection:
            peer = _spiffe_id(connection)
            connection.sendall(data)
            sent = True
            received = b""
            while True:
                responses, _ = read_responses(received, method)
                if len(responses) >= wanted or (responses and responses[-1].closes):
                    return Exchange(tuple(responses[:wanted]), "", sent, peer)
                connection.settimeout(max(until - time.monotonic(), 0.001))
                more = connection.recv(_CHUNK)
                if not more:
                    responses, end = read_responses(received, method, closed=True)
                    return Exchange(tuple(responses[:wanted]), end or "closed", sent, peer)
                received += more
    except h11.RemoteProtocolError as error:
        return Exchange(tuple(responses), f"no HTTP: {error}", sent, peer)
    except TimeoutError:
        return Exchange(tuple(responses), f"no answer in {timeout:g} s", sent, peer)
    except OSError as error:  # TLS alerts and resets among them
        sent = sent and isinstance(error, ConnectionError | ssl.SSLEOFError)
        return Exchange(tuple(responses), f"closed: {error.strerror or error}", sent, peer)


def read_responses(received: bytes, method: str = "GET", *, closed: bool = False) -> tuple[list[Response], str]:
    """The whole answers at the beginning of what was received, and what is wrong with what follows them.

    Args:
        received: All bytes of a connection so far.
        method: That of the request to which the first is an answer.
        closed: Whether there won't be more.

    Raises:
        h11.RemoteProtocolError: It isn't HTTP/1.1.
    """
    found: list[Response] = []
    while received:
        parser = h11.Connection(h11.CLIENT)
        # h11 answers to a request of its own only; what was sent in truth is none that it would have taken
        parser.send(h11.Request(method=method, target="/", headers=[("Host", "h11")]))
        parser.send(h11.EndOfMessage())
        parser.receive_data(received)
        if closed:
            parser.receive_data(b"")  # an answer without a length ends with the connection
        try:
            response = _next_response(parser)
        except h11.RemoteProtocolError:
            if closed:
                return found, "cut off within an answer"
            raise
        if response is None:
            break
        found.append(response)
        received, method = parser.trailing_data[0], "GET"
    return found, ""


def _next_response(parser: h11.Connection) -> Response | None:
    headers: dict[str, str] = {}
    status, body = 0, b""
    while True:
        event = parser.next_event()
        if isinstance(event, h11.Response):
            status = event.status_code
            for name, value in event.headers:
                key, text = name.decode(), value.decode("latin-1")
                headers[key] = f"{headers[key]},{text}" if key in headers else text
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage):
            return Response(status, headers, body)
        elif not isinstance(event, h11.InformationalResponse):
            return None


def _spiffe_id(connection: socket.socket) -> str:
    certificate = connection.getpeercert() if isinstance(connection, ssl.SSLSocket) else None
    names = (certificate or {}).get("subjectAltName", ())
    return next((str(each[1]) for each in names if each[0] == "URI"), "")
