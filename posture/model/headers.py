"""What a proxy makes of a request's headers before any rule sees them.

Some it drops: those about one connection and what a `Connection` header adds to them, and those by which Envoys speak
to each other. Some it writes. Which it does with `x-forwarded-client-cert` the mesh entry says: with
`SanitizeXForwardedClientCert` no rule ever sees one, without it a rule on its presence always holds. Source: Envoy's
`ConnectionManagerUtility::mutateRequestHeaders` and `Utility::sanitizeConnectionHeader`; all measured on the sidecars
(Envoy 1.36.4) that Consul 1.22.7 configures.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from posture.model.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["CLIENT_CERTIFICATE", "NOTHING_SENT", "NOTHING_SENT_SANITIZED", "as_rules_see"]

CLIENT_CERTIFICATE = "x-forwarded-client-cert"

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")
_NO_HOST = re.compile(r"[^!-~]|[\"#/<>?\\^`{|}]")
_IN_A_URL = re.compile(r"(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::(\d{1,5}))?")
_OF_THE_CONNECTION = ("connection", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade")
_NOT_NOMINATED = frozenset({"", "close", "connection", "http2-settings", "keep-alive", "te", "upgrade"})
_NEVER_NOMINATED = frozenset({"x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"})
_NOMINATED_AT_MOST = 9
_LAST_PORT = 65535
_BETWEEN_ENVOYS = tuple(
    f"x-envoy-{name}"
    for name in (
        *("decorator-operation", "expected-rq-timeout-ms", "force-trace", "hedge-on-per-try-timeout", "internal"),
        *("ip-tags", "max-retries", "original-url", "retriable-header-names", "retriable-status-codes"),
        *("retry-grpc-on", "retry-on", "upstream-alt-stat-name", "upstream-rq-per-try-timeout-ms"),
        *("upstream-rq-timeout-alt-response", "upstream-rq-timeout-ms"),
    )
)
_WRITTEN = {
    "x-forwarded-proto": "https",
    "x-request-id": "00000000-0000-4000-8000-000000000000",  # stands for a random one
    CLIENT_CERTIFICATE: "By=spiffe://",  # goes on with both certificates; only its presence is of use here
}
NOTHING_SENT = {**_WRITTEN, ":scheme": "https"}
NOTHING_SENT_SANITIZED = {name: value for name, value in NOTHING_SENT.items() if name != CLIENT_CERTIFICATE}


def as_rules_see(headers: Mapping[str, str], target: str, *, sanitized: bool) -> Mapping[str, str] | Refusal:
    """The headers, and `:scheme`, that rules are held against.

    Args:
        headers: As sent, names in lower case.
        target: The request line's; an absolute one has the host that counts.
        sanitized: Whether the proxy drops `x-forwarded-client-cert`.
    """
    scheme, _, rest = ("", "", "") if target.startswith("/") else target.partition("://")
    if not headers and not scheme:
        return NOTHING_SENT_SANITIZED if sanitized else NOTHING_SENT
    seen = {name: value.strip(" \t") for name, value in headers.items()}
    if scheme:
        host = _IN_A_URL.fullmatch(re.split("[/?]", rest, maxsplit=1)[0].rpartition("@")[2])
        if scheme.lower() not in {"http", "https"} or not host or int(host[1] or 0) > _LAST_PORT:
            return Refusal(400, "an absolute target that the proxy doesn't understand")
        seen["host"] = host[0]
    if _NO_HOST.search(seen.get("host", "")):
        return Refusal(400, "a host that HTTP doesn't allow")
    wrong = next((name for name in seen if not (_NAME.fullmatch(name) and _VALUE.fullmatch(seen[name]))), None)
    if wrong is not None:
        return Refusal(400, f"a header that HTTP doesn't allow: {wrong}")
    refusal = _drop(seen)
    if refusal:
        return refusal
    for name, value in _WRITTEN.items():
        seen[name] = seen.get(name) or value
    if sanitized:
        del seen[CLIENT_CERTIFICATE]
    proto = seen["x-forwarded-proto"].lower()
    seen[":scheme"] = scheme.lower() or (proto if proto in {"http", "https"} else "https")
    return seen


def _drop(seen: dict[str, str]) -> Refusal | None:
    """Take out what goes no further than the proxy."""
    nominated = _tokens(seen.get("connection", ""))
    protocol = seen.get("upgrade", "").lower()
    kept = {}
    if "upgrade" in nominated and protocol not in {"", "h2c"}:
        if protocol != "websocket":
            return Refusal(403, f"an upgrade that Consul doesn't enable: {protocol}")
        kept = {name: seen[name] for name in ("connection", "upgrade")}
    elif len(nominated) > _NOMINATED_AT_MOST or any(name in _NEVER_NOMINATED or name[:1] == ":" for name in nominated):
        return Refusal(400, "a Connection header that drops what it may not")
    else:
        for name in set(nominated) - _NOT_NOMINATED:
            seen.pop(name, None)
    if "trailers" in (token.strip() for token in seen.get("te", "").split(",")):
        kept["te"] = "trailers"
    for name in (*_OF_THE_CONNECTION, *_BETWEEN_ENVOYS):
        seen.pop(name, None)
    seen |= kept
    return None


def _tokens(value: str) -> list[str]:
    return [token.strip().lower() for token in value.split(",")] if value else []
