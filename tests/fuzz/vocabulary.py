"""The words of random rules and requests, few enough that they meet each other."""

from __future__ import annotations

import re2
from hypothesis import strategies as st

from tests.fuzz.tokens import PROVIDERS, QUALITIES, Token

__all__ = ["AFTER", "METHODS", "NOT_EMPTY", "PATH", "REGEX", "RULE_PATHS", "SENT", "TOKENS", "VALUES"]

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE")
SENT = st.sampled_from(("GET", "GET", "GET", *METHODS, "PURGE", "get", "FOO"))
PIECES = (
    *("x", "y", "X", "xy", "a", "1", "%78", "%7E", "~", ".x", "x.", ";a=1", "%3b", "&", "+", "%20", "*"),
    *("", ".", "..", "...", "%2e", "%2E%2e", ".%2e", "..;", "%252e%252e"),
    *("a%2fb", "a%2Fb", "%5c", "\\", "..\\", "..%2f", "..%5Cx", "%2f%2f", "%252f"),
    *("%", "%2", "%zz", "%00", "#", "|", "^", '"', "\x7f", "\xe9", "%c3%a9", "%C0%AF"),
)
RULE_PATHS = ("/", "/x", "/x/", "/y", "/X", "/xy", "/x/y", "/a", "/a%2fb", "/a/b", "//", "/x//y", "/~", "/..", "/1")
PATTERNS = (
    *("/", "x", "y", "%2f", "[a-z]+", "[^/]*", ".*", "/?", "[[:digit:]]", "(?i:x)", "(x|y)", "|", "^", "$"),
    *(r"\pL", r"\."),
)
OF_ENVOY = ("close", "x-k, close", "te, x-k", "upgrade", "trailers", "x, trailers", "websocket", "h2c", "http", "https")
VALUES = (
    "",
    "v",
    "V",
    "vv",
    "w",
    "ab",
    "xab",
    "abx",
    "aB",
    "v,w",
    "v w",
    "/x",
    "GET",
    "api",
    "API:80",
    "u@api",
    *OF_ENVOY,
)


def texts(pieces: tuple[str, ...], most: int) -> st.SearchStrategy[str]:
    return st.lists(st.sampled_from(pieces), min_size=1, max_size=most).map("".join)


def is_re2(pattern: str) -> bool:
    try:
        re2.compile(pattern)
    except re2.error:
        return False
    return True


REGEX = texts(PATTERNS, 4).filter(is_re2)
NOT_EMPTY = st.sampled_from([value for value in VALUES if value])
QUERY = st.just("") | st.sampled_from(("?", "?x", "?a=%2f", "?../x", "?a//b", "?\\"))
PATH = st.builds(
    lambda origin, pieces, query: f"{origin}/{'/'.join(pieces)}{query}",
    st.sampled_from(("", "", "", "", "", "", "http://api")),
    st.lists(st.sampled_from(PIECES), min_size=1, max_size=4),
    QUERY,
)
AFTER = st.sampled_from(("", "", "", "/", "z", "/z", "?z", "/..", "/.", "%2f..", "//", "%2F", "\\"))
TOKENS = st.lists(
    st.builds(Token, st.sampled_from(PROVIDERS), st.sampled_from(QUALITIES)),
    max_size=2,
    unique_by=lambda token: token.provider,
).map(tuple)
