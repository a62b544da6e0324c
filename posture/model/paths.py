"""What a proxy makes of a request before any rule sees it: path, method and header names, as Envoy does it.

Rules match the path that comes out of here. Sources: Consul's `setNormalizationOptions` (agent/xds/listeners.go) and
Envoy's `ConnectionManagerUtility::maybeNormalizePath`; every byte, escape and option was measured on Envoy 1.36.4.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from posture.model.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["AS_IT_COMES", "METHODS", "Normalization", "Refusal"]

METHODS = frozenset(
    re.findall(
        r"\S+",
        """ACL BIND CHECKOUT COPY DELETE GET HEAD LINK LOCK MERGE MKACTIVITY MKCALENDAR MKCOL MOVE NOTIFY OPTIONS PATCH
        POST PROPFIND PROPPATCH PURGE PUT REBIND REPORT SEARCH SOURCE SUBSCRIBE TRACE UNBIND UNLINK UNLOCK
        UNSUBSCRIBE""",
    )
)
"""The methods that Envoy's HTTP/1 codec lets in (measured); it answers 400 to others, and to lower case."""

_UNTOUCHED = re.compile(r"(?:/(?!\.)[A-Za-z0-9_~!$&'()*+,;=:@\[\].-]+)*/?")
_NOT_HTTP = re.compile(r"[^!-~]|#")
_ESCAPED_SLASH = re.compile(r"%(?:2f|5c)", re.IGNORECASE)
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED = frozenset("-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
_ESCAPED_BY_ENVOY = str.maketrans({char: f"%{ord(char):02X}" for char in '"<>^`{|}'} | {"\\": "/"})


@dataclass(frozen=True)
class Normalization:
    """A proxy's settings for incoming requests, with Consul's defaults (`RequestNormalizationMeshConfig`)."""

    normalize_path: bool = True
    merge_slashes: bool = False
    escaped_slashes: str = "KEEP_UNCHANGED"
    underscores: str = "ALLOW"

    @classmethod
    def of_mesh(cls, body: Mapping[str, Any]) -> Normalization:
        """The settings that a mesh entry gives to the sidecars of its http services."""
        incoming = (body.get("HTTP") or {}).get("Incoming") or {}
        rules = incoming.get("RequestNormalization") or {}
        action = rules.get("PathWithEscapedSlashesAction") or ""
        return cls(
            not rules.get("InsecureDisablePathNormalization", False),
            rules.get("MergeSlashes", False),
            "KEEP_UNCHANGED" if action in {"", "IMPLEMENTATION_SPECIFIC_DEFAULT"} else action,
            rules.get("HeadersWithUnderscoresAction") or "ALLOW",
        )

    def target(self, target: str) -> str | Refusal:
        """The path and query that rules see, for those of a request line; absolute forms lose scheme and host."""
        path, mark, query = target.partition("?")
        if _UNTOUCHED.fullmatch(path) and path and not _NOT_HTTP.search(query):
            return target
        if "://" in path and not path.startswith("/"):
            authority, slash, path = path.split("://", 1)[1].partition("/")
            if mark and not slash:
                return Refusal(404, f"no path after {authority}")
            path = f"/{path}"
        if not path.startswith("/") or _NOT_HTTP.search(path) or _NOT_HTTP.search(query):
            return Refusal(400, "no path that HTTP allows")
        redirect = False
        if self.escaped_slashes != "KEEP_UNCHANGED" and _ESCAPED_SLASH.search(path):
            if self.escaped_slashes == "REJECT_REQUEST":
                return Refusal(400, "an escaped slash or backslash in the path")
            redirect = self.escaped_slashes == "UNESCAPE_AND_REDIRECT"
            path = _ESCAPED_SLASH.sub(lambda found: _decoded(found[0][1:]), path)
        if self.normalize_path:
            if "%00" in path:
                return Refusal(400, "an escaped zero byte in the path")
            path = _canonical(path)
        if self.merge_slashes:
            path = re.sub("/{2,}", "/", path) if path.strip("/") else path[:2]  # all slashes: two stay, measured
        return Refusal(307, f"an escaped slash; redirects to {path}") if redirect else path + mark + query

    def headers(self, headers: Mapping[str, str]) -> Mapping[str, str] | Refusal:
        """The headers that rules see, names in lower case."""
        lower = {name.lower(): value for name, value in headers.items()}
        if self.underscores == "ALLOW" or not any("_" in name for name in lower):
            return lower
        if self.underscores == "REJECT_REQUEST":
            return Refusal(400, "a header with an underscore in its name")
        return {name: value for name, value in lower.items() if "_" not in name}


AS_IT_COMES = Normalization(normalize_path=False)
"""How an API gateway takes requests: Consul gives it none of the mesh's normalisation (measured, and in its source)."""


def _decoded(digits: str) -> str:
    return chr(int(digits, 16))


def _canonical(path: str) -> str:
    """RFC 3986 as googleurl has it: unreserved escapes decoded, once; a backslash is a slash; no dot segments."""
    path = path.translate(_ESCAPED_BY_ENVOY)
    path = _ESCAPE.sub(lambda found: char if (char := _decoded(found[1])) in _UNRESERVED else found[0], path)
    segments = path[1:].split("/")
    kept: list[str] = []
    for i, segment in enumerate(segments):
        last = i == len(segments) - 1
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
            continue
        if last:
            kept.append("")
    return "/" + "/".join(kept)
