"""Random intentions, normalisations and requests, from a vocabulary small enough that they meet each other."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from posture.model.entries import Entry, Kind
from posture.model.matrix import UNKNOWN
from tests.fuzz.cases import GATEWAY, PROTOCOLS, Ask, Case
from tests.fuzz.tokens import CLAIMS, PROVIDERS
from tests.fuzz.visiting import entrances, visits
from tests.fuzz.vocabulary import AFTER, METHODS, NOT_EMPTY, PATH, REGEX, RULE_PATHS, SENT, TOKENS, VALUES

__all__ = ["cases"]

Body = dict[str, Any]

SOURCES = (*PROTOCOLS, GATEWAY, UNKNOWN)
PATTERN_NAMES = ("we.", "[a-z]+", "web|x", "x|web", "db|api")  # Consul quotes nothing
HEADERS = (
    *("x-k", "X-K", "x_k", "x-j", "user-agent", "host"),
    *("connection", "te", "upgrade", "keep-alive", "x-forwarded-proto", "x-envoy-internal", "x-envoy-original-path"),
)
WRITTEN = ("x-request-id", "x-forwarded-client-cert")  # by Envoy, with values that can't be foretold
HEADER_KINDS = ("Exact", "Prefix", "Suffix", "Contains", "Regex", "Present")
ACTION = st.sampled_from(("allow", "deny"))
PATHS = st.one_of(
    st.sampled_from(RULE_PATHS).map(lambda path: {"PathExact": path}),
    st.sampled_from(RULE_PATHS).map(lambda path: {"PathPrefix": path}),
    REGEX.map(lambda regex: {"PathRegex": regex}),
)
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
JWT = st.lists(st.sampled_from(PROVIDERS), min_size=1, max_size=2, unique=True).map(
    lambda names: {"Providers": [{"Name": name, "VerifyClaims": CLAIMS.get(name, [])} for name in names]}
)
PERMISSION = st.fixed_dictionaries({"Action": ACTION, "HTTP": HTTP}, optional={"JWT": JWT})
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
SANITIZING = st.fixed_dictionaries({}, optional={"SanitizeXForwardedClientCert": st.booleans()})
MESH = st.builds(
    lambda rules, more: Entry(Kind.MESH, "mesh", {"HTTP": {"Incoming": {"RequestNormalization": rules}, **more}}),
    NORMALIZATION,
    SANITIZING,
)


def intentions(destination: str, rule: st.SearchStrategy[Body], least: int = 0) -> st.SearchStrategy[Entry]:
    named = st.dictionaries(st.sampled_from(("*", *SOURCES, *PATTERN_NAMES)), rule, min_size=least, max_size=3)
    return named.map(
        lambda found: Entry(
            Kind.SERVICE_INTENTIONS, destination, {"Sources": [{"Name": name, **rule} for name, rule in found.items()]}
        )
    )


def with_tokens(entries: st.SearchStrategy[Entry]) -> st.SearchStrategy[Entry]:
    return st.builds(
        lambda entry, jwt: replace(entry, body={**entry.body, **({"JWT": jwt} if jwt else {})}),
        entries,
        st.none() | JWT,
    )


ENTRIES = st.builds(
    lambda entries, entrance: (*(entry for entry in entries if entry.body.get("Sources") != []), *entrance),
    st.tuples(
        MESH,
        intentions("*", LAYER4),
        *(
            with_tokens(intentions(name, LAYER4 | LAYER7)) if protocol == "http" else intentions(name, LAYER4)
            for name, protocol in PROTOCOLS.items()
        ),
    ),
    entrances(),
)

LINE = st.tuples(st.sampled_from((*HEADERS, *WRITTEN)), st.sampled_from(VALUES)).filter(
    lambda line: line != ("x-forwarded-proto", "")  # with it, Envoy finds no route for what the rules allow: 404
)
ASK = st.builds(
    Ask,
    st.sampled_from((*SOURCES, None)),
    st.sampled_from(tuple(PROTOCOLS)),
    SENT,
    st.sampled_from(RULE_PATHS) | PATH,
    st.lists(LINE, max_size=2).map(tuple),
    TOKENS,
)
BEFORE = st.sampled_from(("", "", "", "/", "/.", "/y/..", "/y/%2e%2e", "/..", "/%2f", "/y%2f..", "/\\..", "http://api"))


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
    routes = [entry for entry in entries if entry.kind == Kind.HTTP_ROUTE]
    ask = ASK | st.sampled_from(rules).flatmap(aimed) if rules else ASK
    return Case(entries, tuple(draw(st.lists(ask | visits(routes), min_size=least, max_size=least + 4))))
