"""Random intentions, normalisations and requests, from a vocabulary small enough that they meet each other."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import re2
from hypothesis import strategies as st

from posture.model.entries import Entry, Kind
from posture.model.matrix import UNKNOWN
from tests.fuzz.cases import PROTOCOLS, Ask, Case

__all__ = ["cases"]

Body = dict[str, Any]

SOURCES = (*PROTOCOLS, "gateway", UNKNOWN)
PATTERN_NAMES = ("we.", "[a-z]+", "web|x", "x|web", "db|api")  # Consul quotes nothing
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE")
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
HEADERS = (
    *("x-k", "X-K", "x_k", "x-j", "user-agent", "host"),
    *("connection", "te", "upgrade", "keep-alive", "x-forwarded-proto", "x-envoy-internal", "x-envoy-original-path"),
)
WRITTEN = ("x-request-id", "x-forwarded-client-cert")  # by Envoy, with values that can't be foretold
OF_ENVOY = ("close", "x-k, close", "te, x-k", "upgrade", "trailers", "x, trailers", "websocket", "h2c", "http", "https")
HEADER_KINDS = ("Exact", "Prefix", "Suffix", "Contains", "Regex", "Present")
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


ACTION = st.sampled_from(("allow", "deny"))
REGEX = texts(PATTERNS, 4).filter(is_re2)
PATHS = st.one_of(
    st.sampled_from(RULE_PATHS).map(lambda path: {"PathExact": path}),
    st.sampled_from(RULE_PATHS).map(lambda path: {"PathPrefix": path}),
    REGEX.map(lambda regex: {"PathRegex": regex}),
)
NOT_EMPTY = st.sampled_from([value for value in VALUES if value])
HEADER = st.one_of(
    st.builds(
        lambda kind, value, rest: {kind: value, **rest},
        st.sampled_from(("Exact", "Prefix", "Suffix", "Contains")),
        NOT_EMPTY,
        st.fixed_dictionaries({}, optional={"IgnoreCase": st.just(value=True)}),
    ),
    REGEX.map(lambda regex: {"Regex": regex}),
    st.just({"Present": True}),
)
HEADER_MATCH = st.builds(
    lambda header, invert: {**header, **invert},
    st.builds(
        lambda name, match: {"Name": name, **match},
        st.sampled_from((*HEADERS, ":path", ":method", ":authority", ":scheme")),
        HEADER,
    )
    | st.sampled_from(WRITTEN).map(lambda name: {"Name": name, "Present": True}),
    st.fixed_dictionaries({}, optional={"Invert": st.just(value=True)}),
)
HTTP = st.builds(
    lambda path, rest: {**path, **rest},
    st.just({}) | PATHS,
    st.fixed_dictionaries(
        {},
        optional={
            "Methods": st.lists(st.sampled_from(METHODS), min_size=1, max_size=3, unique=True),
            "Header": st.lists(HEADER_MATCH, min_size=1, max_size=2),
        },
    ),
).filter(bool)
PERMISSION = st.fixed_dictionaries({"Action": ACTION, "HTTP": HTTP})
LAYER4 = st.fixed_dictionaries({"Action": ACTION})
LAYER7 = st.fixed_dictionaries({"Permissions": st.lists(PERMISSION, min_size=1, max_size=3)})

NORMALIZATION = st.fixed_dictionaries(
    {},
    optional={
        "MergeSlashes": st.booleans(),
        "PathWithEscapedSlashesAction": st.sampled_from(
            ("KEEP_UNCHANGED", "REJECT_REQUEST", "UNESCAPE_AND_FORWARD", "UNESCAPE_AND_REDIRECT")
        ),
        "HeadersWithUnderscoresAction": st.sampled_from(("ALLOW", "REJECT_REQUEST", "DROP_HEADER")),
        "InsecureDisablePathNormalization": st.booleans(),
    },
)
MESH = NORMALIZATION.map(
    lambda rules: Entry(Kind.MESH, "mesh", {"HTTP": {"Incoming": {"RequestNormalization": rules}}})
)


def intentions(destination: str, rule: st.SearchStrategy[Body], least: int = 0) -> st.SearchStrategy[Entry]:
    named = st.dictionaries(st.sampled_from(("*", *SOURCES, *PATTERN_NAMES)), rule, min_size=least, max_size=3)
    return named.map(
        lambda found: Entry(
            Kind.SERVICE_INTENTIONS, destination, {"Sources": [{"Name": name, **rule} for name, rule in found.items()]}
        )
    )


ENTRIES = st.tuples(
    MESH,
    intentions("*", LAYER4),
    *(intentions(name, LAYER4 | LAYER7 if protocol == "http" else LAYER4) for name, protocol in PROTOCOLS.items()),
).map(lambda entries: tuple(entry for entry in entries if entry.body.get("Sources") != []))

QUERY = st.just("") | st.sampled_from(("?", "?x", "?a=%2f", "?../x", "?a//b", "?\\"))
PATH = st.builds(
    lambda origin, pieces, query: f"{origin}/{'/'.join(pieces)}{query}",
    st.sampled_from(("", "", "", "", "", "", "http://api")),
    st.lists(st.sampled_from(PIECES), min_size=1, max_size=4),
    QUERY,
)
LINE = st.tuples(st.sampled_from((*HEADERS, *WRITTEN)), st.sampled_from(VALUES)).filter(
    lambda line: line != ("x-forwarded-proto", "")  # with it, Envoy finds no route for what the rules allow: 404
)
ASK = st.builds(
    Ask,
    st.sampled_from((*SOURCES, None)),
    st.sampled_from(tuple(PROTOCOLS)),
    st.sampled_from(("GET", "GET", "GET", *METHODS, "PURGE", "get", "FOO")),
    st.sampled_from(RULE_PATHS) | PATH,
    st.lists(LINE, max_size=2).map(tuple),
)
BEFORE = st.sampled_from(("", "", "", "/", "/.", "/y/..", "/y/%2e%2e", "/..", "/%2f", "/y%2f..", "/\\..", "http://api"))
AFTER = st.sampled_from(("", "", "", "/", "z", "/z", "?z", "/..", "/.", "%2f..", "//", "%2F", "\\"))


@st.composite
def aimed(draw: st.DrawFn, entry: Entry) -> Ask:
    """A request that one rule of an entry may be about: random ones seldom get past its first condition."""
    ask = draw(ASK)
    source = draw(st.sampled_from(entry.body["Sources"]))
    if entry.name in PROTOCOLS:
        ask = replace(ask, destination=entry.name)
    if source["Name"] in SOURCES:
        ask = replace(ask, source=source["Name"])
    if "Permissions" not in source:
        return ask
    http = draw(st.sampled_from(source["Permissions"]))["HTTP"]
    path = http.get("PathExact") or http.get("PathPrefix") or draw(st.sampled_from(RULE_PATHS))
    return replace(
        ask,
        path=draw(BEFORE) + path + draw(AFTER),
        method=draw(st.sampled_from(http.get("Methods", ("GET",)))),
        headers=tuple(
            (match["Name"], str(next(match[kind] for kind in HEADER_KINDS if kind in match)))
            for match in http.get("Header", ())
            if not match["Name"].startswith(":")
        ),
    )


@st.composite
def cases(draw: st.DrawFn, least: int) -> Case:
    """Meshes with at least so many requests each."""
    entries = draw(ENTRIES)
    rules = [entry for entry in entries if "Sources" in entry.body]
    ask = ASK | st.sampled_from(rules).flatmap(aimed) if rules else ASK
    return Case(entries, tuple(draw(st.lists(ask, min_size=least, max_size=least + 4))))
