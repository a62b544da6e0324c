"""HTTP/2 with header fields of our own choosing, on one connection, one stream after another.

Consul's sidecars for http services offer no protocol by ALPN, and Envoy goes by the first bytes: to who begins with
HTTP/2's preface it speaks HTTP/2, and so does the gateway unless ALPN has named HTTP/1.1 (measured on Envoy 1.36.4).
What came in that way goes to the application as HTTP/1.1.
"""

from __future__ import annotations

import ssl
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import tenacity

from posture.verify.raw_http import Exchange, Response
from posture.verify.wire import connected

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterable, Iterator

    from posture.verify.raw_http import Header
    from posture.verify.target import Endpoint

__all__ = ["exchanges", "fields"]

_CHUNK = 65536
_PATIENCE = 2.0
_CONFIG = h2.config.H2Configuration(
    validate_outbound_headers=False, normalize_outbound_headers=False, validate_inbound_headers=False
)


def fields(method: str, path: str, authority: str, headers: Iterable[Header] = ()) -> list[Header]:
    """The header fields of a request, nothing checked."""
    pseudo = [(":method", method), (":scheme", "https"), (":authority", authority), (":path", path)]
    return [*pseudo, *((name.lower(), value) for name, value in headers)]


def exchanges(
    context: ssl.SSLContext,
    endpoint: Endpoint,
    requests: Iterable[list[Header]],
    *,
    hostname: str | None = None,
    timeout: float = 5,
) -> Iterator[Exchange]:
    """What comes back for each request; when the connection ends, the next one gets a new one.

    Where none can be had it is tried for two seconds, and after that was in vain just once: a limit may leave no more
    than one connection, and Consul's check of the port takes that now and then.

    Args:
        context: Whom to trust, and as whom to come.
        endpoint: Where.
        requests: The header fields of each; bodies are empty.
        hostname: The name that the certificate must bear, where the context checks names.
        timeout: For each request, in seconds.
    """
    context.set_alpn_protocols(
        ["h2"]
    )  # a client that shares the context may have named HTTP/1.1, and Envoy keeps to it
    with ExitStack() as opened:
        session: _Session | None = None
        again = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(OSError),
            stop=tenacity.stop_after_delay(_PATIENCE),
            wait=tenacity.wait_fixed(0.1),
            reraise=True,
        )
        for request in requests:
            try:
                if session is None:
                    stream = again(lambda: opened.enter_context(connected(endpoint, context, hostname, timeout)))
                    session = _Session(stream)
            except OSError as error:
                again = again.copy(stop=tenacity.stop_after_attempt(1))
                yield Exchange((), f"closed: {error.strerror or error}", connected=False)
                continue
            found = session.ask(request, timeout)
            yield found
            if found.end:
                opened.close()
                session = None


class _Stream(NamedTuple):
    """What has come for a stream so far."""

    status: int = 0
    headers: dict[str, str] = {}  # noqa: RUF012 - never written to
    body: bytes = b""


class _Session:
    """A connection on which HTTP/2 is spoken."""

    def __init__(self, stream: socket.socket) -> None:
        self._stream = stream
        self._http = h2.connection.H2Connection(_CONFIG)
        self._http.initiate_connection()

    def ask(self, request: list[Header], timeout: float) -> Exchange:
        until = time.monotonic() + timeout
        number = self._http.get_next_available_stream_id()
        try:
            self._http.send_headers(number, request, end_stream=True)
            return self._answer(number, until)
        except TimeoutError:
            return Exchange((), f"no answer in {timeout:g} s")
        except h2.exceptions.ProtocolError as error:
            return Exchange((), f"no HTTP/2: {error}")
        except OSError as error:
            sent = isinstance(error, ConnectionError | ssl.SSLEOFError)
            return Exchange((), f"closed: {error.strerror or error}", sent)

    def _answer(self, number: int, until: float) -> Exchange:
        found = _Stream()
        while True:
            self._stream.sendall(self._http.data_to_send())
            self._stream.settimeout(max(until - time.monotonic(), 0.001))
            received = self._stream.recv(_CHUNK)
            if not received:
                return Exchange((), "closed")
            for event in self._http.receive_data(received):
                if isinstance(event, h2.events.ConnectionTerminated):
                    return Exchange((), f"closed: HTTP/2 error {event.error_code}")
                if getattr(event, "stream_id", None) != number:
                    continue
                if isinstance(event, h2.events.StreamReset):
                    return Exchange((), f"closed: HTTP/2 stream error {event.error_code}")
                if isinstance(event, h2.events.ResponseReceived):
                    headers = {name.decode(): value.decode("latin-1") for name, value in event.headers}
                    found = _Stream(int(headers.pop(":status")), headers)
                elif isinstance(event, h2.events.DataReceived):
                    self._http.acknowledge_received_data(event.flow_controlled_length, number)
                    found = found._replace(body=found.body + event.data)
                elif isinstance(event, h2.events.StreamEnded):
                    return Exchange((Response(*found),))
