"""Random ways through the gateway, and visits that try them; paths, regular expressions and tokens are the rules'."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from posture.model.entries import Entry, Kind
from tests.fuzz.cases import VISITOR, Ask
from tests.fuzz.entrance import HTTP_SERVICES, listener, parents
from tests.fuzz.vocabulary import AFTER, NOT_EMPTY, PATH, REGEX, RULE_PATHS, SENT, TOKENS, VALUES

__all__ = ["entrances", "visits"]

HOSTS = ("api.example", "web.example", "x.api.example")
ROUTE_HOSTS: dict[str, st.SearchStrategy[list[str]]] = {
    "": st.just([]) | st.lists(st.sampled_from(HOSTS), min_size=1, max_size=2, unique=True),
    "*.example": st.just([]) | st.lists(st.sampled_from(HOSTS), min_size=1, max_size=2, unique=True),
    "api.example": st.sampled_from(([], ["api.example"])),
}
"""Of routes, by the listener's: each such route has a name that the listener serves."""

TEXT_KINDS = ("exact", "prefix", "suffix")
ROUTE_PATH = st.builds(
    lambda kind, value: {"Match": kind, "Value": value},
    st.sampled_from(("exact", "prefix")),
    st.sampled_from(RULE_PATHS),
) | REGEX.map(lambda regex: {"Match": "regex", "Value": regex})
ROUTE_HEADER = st.builds(
    lambda name, match: {"Name": name, **match},
    st.sampled_from(("x-k", "X-K", "x-j")),
    st.builds(lambda kind, value: {"Match": kind, "Value": value}, st.sampled_from(TEXT_KINDS), NOT_EMPTY)
    | st.just({"Match": "present"})
    | REGEX.map(lambda regex: {"Match": "regex", "Value": regex}),
)
ROUTE_QUERY = st.sampled_from(
    (
        {"Match": "present", "Name": "x"},
        {"Match": "exact", "Name": "a", "Value": "1"},
        {"Match": "regex", "Name": "a", "Value": "[0-9]+"},
    )
)
ROUTE_MATCH = st.fixed_dictionaries(
    {},
    optional={
        "Path": ROUTE_PATH,
        "Method": st.sampled_from(("GET", "POST", "DELETE")),
        "Headers": st.lists(ROUTE_HEADER, min_size=1, max_size=2),
        "Query": st.lists(ROUTE_QUERY, min_size=1, max_size=1),
    },
)
ROUTE_FILTERS = st.fixed_dictionaries(
    {},
    optional={
        "URLRewrite": st.sampled_from(("/", "/y", "/x/", "/a")).map(lambda path: {"Path": path}),
        "Headers": st.sampled_from(
            ({"Set": {"x-k": "v"}}, {"Add": {"x-k": "w"}}, {"Add": {"x-j": "v"}}, {"Remove": ["x-k"]})
        ).map(lambda change: [change]),
    },
)
ROUTE_RULE = st.builds(
    lambda matches, filters, service: {
        "Matches": matches,
        **({"Filters": filters} if filters else {}),
        "Services": [{"Name": service}],
    },
    st.lists(ROUTE_MATCH, min_size=1, max_size=2),
    ROUTE_FILTERS,
    st.sampled_from(HTTP_SERVICES),
)


@st.composite
def entrances(draw: st.DrawFn) -> tuple[Entry, ...]:
    """A listener, and none to two routes."""
    hostname = draw(st.sampled_from(tuple(ROUTE_HOSTS)))
    routes = []
    for name in ("one", "two")[: draw(st.integers(0, 2))]:
        hosts = draw(ROUTE_HOSTS[hostname])
        rules = draw(st.lists(ROUTE_RULE, min_size=1, max_size=2))
        own = {"Hostnames": hosts} if hosts else {}
        routes.append(Entry(Kind.HTTP_ROUTE, name, {"Parents": parents(), "Rules": rules, **own}))
    return (listener(hostname), *routes)


VISIT = st.builds(
    Ask,
    st.just(VISITOR),
    st.just(""),
    SENT,
    (st.sampled_from(RULE_PATHS) | PATH).map(lambda path: path.removeprefix("http://api")),
    st.builds(
        lambda host, lines: (("Host", host), *lines),
        st.sampled_from((*HOSTS, "api.example:9553", "elsewhere", "API.example")),
        st.lists(st.tuples(st.sampled_from(("x-k", "X-K", "x_k", "x-j")), st.sampled_from(VALUES)), max_size=2),
    ),
    TOKENS,
)


def visits(routes: list[Entry]) -> st.SearchStrategy[Ask]:
    return VISIT | st.sampled_from(routes).flatmap(aimed) if routes else VISIT


@st.composite
def aimed(draw: st.DrawFn, route: Entry) -> Ask:
    """A visit that one match of a route may be about."""
    visit = draw(VISIT)
    match = draw(st.sampled_from(draw(st.sampled_from(route.body["Rules"]))["Matches"]))
    path = match.get("Path", {})
    value = path["Value"] if path.get("Match") in {"exact", "prefix"} else draw(st.sampled_from(RULE_PATHS))
    query = f"?{match['Query'][0]['Name']}=1" if "Query" in match else ""
    hosts = [host.replace("*", "x") for host in route.body.get("Hostnames", HOSTS)]
    lines = tuple((each["Name"], str(each.get("Value", "v"))) for each in match.get("Headers", ()))
    return replace(
        visit,
        path=f"{value}{draw(AFTER)}{query}",
        method=match.get("Method", "GET"),
        headers=(("Host", draw(st.sampled_from(hosts))), *lines),
    )
