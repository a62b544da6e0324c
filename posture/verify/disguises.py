"""A request dressed up as another: every known way to write one path, method or caller so that a rule sees another.

Each is a request of its own, which the access model decides as the proxy should see it; what it is meant to look like
to a careless reader is of no concern to the model. Collected from the OWASP Web Security Testing Guide (path traversal,
verb tampering, host header injection) and what Envoy's and Consul's documentation of normalisation warns of.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from posture.model.paths import METHODS
from posture.verify.raw_http import request_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from posture.verify.grounds import Ground
    from posture.verify.raw_http import Header

__all__ = ["PLAINLY", "Disguise", "disguises", "in_http2"]

PLAINLY = "written plainly"
"""The family of the requests that are no disguise: the control of all others."""

_ELSEWHERE = "elsewhere.example"
_URL_HEADERS = ("X-Original-URL", "X-Rewrite-URL", "X-Envoy-Original-Path", "X-Forwarded-Uri")
_METHOD_HEADERS = ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override")
_IN_HTTP2 = re.compile(r"/[!-~]*")
_ABSOLUTE = re.compile(r"[A-Za-z]+://([^/?#]*)")


@dataclass(frozen=True)
class Disguise:
    """A request, and what is tried with it: ``family`` is what reports group by."""

    family: str
    method: str
    target: str
    headers: tuple[Header, ...]
    version: str = "HTTP/1.1"

    @property
    def data(self) -> bytes:
        """As it is sent."""
        return request_bytes(self.method, self.target, self.headers, version=self.version)

    @property
    def host(self) -> str:
        """Whom it is for: an absolute target's authority counts before the header (RFC 9112, 3.2.2).

        Several are joined, as Envoy does it: such a name may end as a wildcard does.
        """
        absolute = _ABSOLUTE.match(self.target)
        return absolute[1] if absolute else ",".join(value for name, value in self.headers if name == "Host")

    @property
    def others(self) -> dict[str, str]:
        """The headers without `Host`, several of one name joined as a proxy joins them."""
        joined: dict[str, str] = {}
        for name, value in self.headers:
            key = name.lower()
            if key != "host":
                joined[key] = f"{joined[key]},{value}" if key in joined else value
        return joined

    def __str__(self) -> str:
        """What sets it apart, in a line."""
        about = [f"{name}: {value}" for name, value in self.headers if not (name == "Host" and value == self.host)]
        version = [self.version] if self.version != "HTTP/1.1" else []
        return ", ".join([f"{self.method} {self.target}", *version, *about])


def disguises(ground: Ground, host: str, identity: str) -> list[Disguise]:
    """All that there is to try on a ground, none twice, what is plain first.

    Args:
        ground: Who tries, and what.
        host: What to ask for as `Host`.
        identity: The SPIFFE ID to claim.
    """
    own = ("Host", host)
    forbidden = ground.forbidden
    made = []
    if ground.permitted:
        plain = ground.permitted
        made.append(Disguise(PLAINLY, plain.method, plain.path, (own, *plain.headers)))
    made.append(Disguise(PLAINLY, forbidden.method, forbidden.path, (own, *forbidden.headers)))
    for family, target in _targets(ground.cover, forbidden.path):
        made.append(Disguise(family, forbidden.method, target, (own, *forbidden.headers)))
    made += _by_method(ground, own)
    for family, headers in _headers(ground, identity):
        made.append(Disguise(family, forbidden.method, forbidden.path, (own, *forbidden.headers, *headers)))
    made += _request_forms(ground, host)
    return list({disguise.data: disguise for disguise in reversed(made)}.values())[::-1]


def in_http2(disguise: Disguise) -> bool:
    """Whether HTTP/2 can say it too: one authority, a path, and a method that the access model knows of.

    Envoy takes methods by HTTP/2 that its HTTP/1.1 codec refuses; rules see them as they are.
    """
    hosts = [name for name, _ in disguise.headers if name == "Host"]
    said = _IN_HTTP2.fullmatch(disguise.target) and disguise.method in METHODS and disguise.version == "HTTP/1.1"
    return bool(said) and len(hosts) == 1


def _targets(cover: str, wanted: str) -> Iterator[tuple[str, str]]:
    """Ways to write the wanted path with a look of the cover's, and the cover itself in odd ways."""
    folder = cover[: cover.rfind("/") + 1]
    folder = folder if len(folder) > 1 else f"{cover.rstrip('/') or '/x'}/"
    rest, last = wanted[1:], cover[len(folder) :] if cover.startswith(folder) else ""
    depth = folder.count("/") - 1

    def climb(step: str) -> str:
        return folder + step * depth + rest

    ways = {
        "slashes": [f"/{wanted}", f"//{wanted}", f"{wanted}/", f"{wanted}//", f"/{cover}", cover.replace("/", "//")],
        "dot segments": [
            *(climb(step) for step in ("../", "./../", "%2e%2e/", ".%2E/", "%2E./", "/../", "../../")),
            *(f"{before}{path}" for before in ("/.", "/x/..", "/%2e", "/..") for path in (wanted, cover)),
            *(f"{wanted}{after}" for after in (".", "/.", "/x/..", "...")),
            *(f"{cover}{after}" for after in (".", "/.", "/..", "/...")),
        ],
        "escaped slashes": [
            *(climb(step) for step in ("..%2f", "..%2F", "..%5c", "..%5C", "%2e%2e%2f", "..\\", "..%252f", "..%c0%af")),
            f"/%2f{rest}",
            f"/%5c{rest}",
            f"/\\{rest}",
            f"{folder[:-1]}%2f{last}",
            f"%2f{rest}",
            climb("%252e%252e/"),
        ],
        "path parameters": [
            *(climb(step) for step in ("..;/", ";/../", "..;x=1/", "..%3b/")),
            *(f"{wanted}{after}" for after in (";", ";x=1", f";{cover}", "%3b")),
            *(f"{cover}{after}" for after in (";", ";x=1", f";/..{wanted}")),
            f"/;{wanted}",
        ],
        "case and escapes": [
            *(path.upper() for path in (wanted, cover)),
            *(path.title() for path in (wanted, cover)),
            *(f"/%{ord(path[1]):02x}{path[2:]}" for path in (wanted, cover) if path[1:2].isalnum()),
            *(f"{path}{after}" for path in (wanted, cover) for after in ("%00", "%20", "%09", "%0d%0a")),
        ],
        "query and fragment": [
            *(f"{wanted}{mark}{cover}" for mark in ("?", "#", "%3f", "%23", "?x=")),
            f"{cover}?/..{wanted}",
            f"{cover}#/..{wanted}",
        ],
    }
    for family, targets in ways.items():
        yield from ((family, target) for target in targets)


def _by_method(ground: Ground, own: Header) -> Iterator[Disguise]:
    """Asking for what is permitted by a method that isn't, and naming the one that is some other way."""
    if not ground.permitted or not ground.forbidden_method:
        return
    family, plain, method = "method", ground.permitted, ground.forbidden_method
    headers = (own, *plain.headers)
    yield Disguise(family, method, plain.path, headers)
    for name in _METHOD_HEADERS:
        yield Disguise(family, method, plain.path, (*headers, (name, plain.method)))
    yield Disguise(family, method, f"{plain.path}?_method={plain.method}", headers)
    for odd in (method.lower(), plain.method.lower(), f"{plain.method}X", "HEAD", "TRACE", "OPTIONS"):
        yield Disguise(family, odd, plain.path, headers)


def _headers(ground: Ground, identity: str) -> Iterator[tuple[str, tuple[Header, ...]]]:
    for name in _URL_HEADERS:
        yield "overriding headers", ((name, ground.cover),)
        yield "underscore headers", ((name.replace("-", "_"), ground.cover),)
    required = ground.permitted.headers if ground.permitted else ()
    for name, value in required:
        yield "underscore headers", ((name.replace("-", "_"), value),)
    claims = f"URI={identity}", f'By={identity};Hash=00;Subject="";URI={identity}'
    for claim in claims:
        yield "spoofed certificate header", (("X-Forwarded-Client-Cert", claim),)
    yield "spoofed certificate header", (("X-Forwarded-Client-Cert", claims[0]), ("x-forwarded-client-cert", claims[1]))
    yield "spoofed certificate header", (("X-Forwarded-For", "127.0.0.1"), ("X-Envoy-Internal", "true"))


def _request_forms(ground: Ground, host: str) -> Iterator[Disguise]:
    """Absolute targets, other hosts, other versions; each for what is forbidden, and for what is permitted."""
    plains = [plain for plain in (ground.forbidden, ground.permitted) if plain]
    for method, path, headers in plains:
        own = (("Host", host), *headers)
        for scheme, authority in (("http", host), ("https", host), ("HTTP", host), ("http", _ELSEWHERE)):
            yield Disguise("absolute targets", method, f"{scheme}://{authority}{path}", own)
        yield Disguise("absolute targets", method, path[1:] or "*", own)
        for hosts in ((_ELSEWHERE,), (host, _ELSEWHERE), (_ELSEWHERE, host), ("",), (f"{host}.",), (host.upper(),), ()):
            yield Disguise("hosts", method, path, (*(("Host", each) for each in hosts), *headers))
        for version in ("HTTP/1.0", "HTTP/0.9", "HTTP/2.0", "http/1.1"):
            yield Disguise("versions", method, path, own, version)
    if ground.permitted:
        up = "/.." * (ground.cover.count("/") - 1 or 1)
        target = f"http://{host}{ground.cover[: ground.cover.rfind('/')]}{up}{ground.forbidden.path}"
        yield Disguise("absolute targets", ground.forbidden.method, target, (("Host", host), *ground.forbidden.headers))
