"""The access model beside a word-for-word transcription of how Consul compiles intentions to Envoy's RBAC.

The transcription follows agent/xds/rbac.go of Consul 1.22.7: `removeSameSourceIntentions`, `removeSourcePrecedence` and
`removePermissionPrecedence` make a list of policies, and a request is judged by whether any of them matches. It shares
nothing with the model but the conditions, which are held against a real Envoy elsewhere.
"""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from posture.model.access import Access, Request
from posture.model.conditions import Facts, conditions_of
from posture.model.entries import Entry, Kind

PATHS = ("/", "/x", "/x/", "/x/y", "/xy", "/y", "/x?y", "/x/../y")
HTTP = st.fixed_dictionaries(
    {},
    optional={
        "PathPrefix": st.sampled_from(["/", "/x", "/x/"]),
        "Methods": st.lists(st.sampled_from(["GET", "POST"]), min_size=1, unique=True),
        "Header": st.lists(
            st.fixed_dictionaries({"Name": st.just("x-k"), "Exact": st.just("v")}, optional={"Invert": st.booleans()}),
            min_size=1,
            max_size=1,
        ),
    },
)
ACTION = st.sampled_from(["allow", "deny"])
PERMISSION = st.fixed_dictionaries({"Action": ACTION, "HTTP": HTTP})


def sources(rules: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[list[dict[str, Any]]]:
    named = st.dictionaries(st.sampled_from(["web", "api", "*"]), rules, max_size=3)
    return named.map(lambda found: [{"Name": name, **rule} for name, rule in found.items()])


LAYER4 = st.fixed_dictionaries({"Action": ACTION})
LAYER7 = st.fixed_dictionaries({"Permissions": st.lists(PERMISSION, min_size=1, max_size=4)})
REQUEST = st.builds(
    Request,
    st.sampled_from(["web", "api", "other"]),
    st.just("db"),
    st.sampled_from(["GET", "POST", "PUT"]),
    st.sampled_from(PATHS),
    st.sampled_from([{}, {"x-k": "v"}, {"x-k": "w"}]),
)


def matches(pattern: str, source: str) -> bool:
    return pattern in {"*", source}


def holds(permission: dict[str, Any], facts: Facts) -> bool:
    return all(condition.holds(facts) for condition in conditions_of(permission["HTTP"], "here"))


def as_consul_compiles(db: list[dict[str, Any]], anywhere: list[dict[str, Any]], default: str) -> list[dict[str, Any]]:
    """The policies that Envoy gets: each an exception from the default for some sources and permissions."""
    exact = {True: 9, False: 6}
    intentions = [
        {**source, "Precedence": exact[of_db] - (source["Name"] == "*")}
        for of_db, entry in ((True, db), (False, anywhere))
        for source in entry
    ]
    intentions.sort(key=lambda each: (-each["Precedence"], each["Name"]))
    first = {each["Name"]: each for each in reversed(intentions)}
    intentions = [each for each in intentions if first[each["Name"]] is each]
    policies = []
    for j, intention in enumerate(intentions):
        if intention.get("Action") == default:
            continue
        but_not = [
            each["Name"] for each in intentions[:j] if intention["Name"] == "*" and each["Name"] != "*"
        ]  # ixnSourceMatches: only a less exact source has a more exact one subtracted
        permissions = [
            (permission, intention["Permissions"][:number])
            for number, permission in enumerate(intention.get("Permissions") or ())
            if permission["Action"] != default
        ]
        if permissions or "Action" in intention:
            policies.append({"source": intention["Name"], "but_not": but_not, "permissions": permissions})
    return policies


def by_policies(policies: list[dict[str, Any]], request: Request, facts: Facts) -> bool:
    for policy in policies:
        named = matches(policy["source"], str(request.source))
        if not named or any(matches(name, str(request.source)) for name in policy["but_not"]):
            continue
        if not policy["permissions"]:
            return True
        for permission, earlier in policy["permissions"]:
            if holds(permission, facts) and not any(holds(each, facts) for each in earlier):
                return True
    return False


@given(sources(LAYER4 | LAYER7), sources(LAYER4), ACTION, st.lists(REQUEST, min_size=1, max_size=8))
def test_decisions_are_those_of_the_policies_that_consul_compiles(
    db: list[dict[str, Any]], anywhere: list[dict[str, Any]], default: str, requests: list[Request]
) -> None:
    access = Access(
        [
            Entry(Kind.SERVICE_DEFAULTS, "db", {"Protocol": "http"}),
            Entry(Kind.SERVICE_INTENTIONS, "db", {"Sources": db}),
            Entry(Kind.SERVICE_INTENTIONS, "*", {"Sources": anywhere}),
        ],
        default=default,
    )
    policies = as_consul_compiles(db, anywhere, default)
    for request in requests:
        facts = access.facts(request)
        assert isinstance(facts, Facts)
        exception = by_policies(policies, request, facts)
        assert access.decide(request).allowed is (exception != (default == "allow")), request


@given(sources(LAYER4 | LAYER7), sources(LAYER4), ACTION, REQUEST)
def test_the_order_of_entries_and_sources_does_not_matter(
    db: list[dict[str, Any]], anywhere: list[dict[str, Any]], default: str, request: Request
) -> None:
    entries = [
        Entry(Kind.SERVICE_DEFAULTS, "db", {"Protocol": "http"}),
        Entry(Kind.SERVICE_INTENTIONS, "db", {"Sources": db}),
        Entry(Kind.SERVICE_INTENTIONS, "*", {"Sources": anywhere}),
    ]
    turned = [
        Entry(each.kind, each.name, {**each.body, "Sources": each.body.get("Sources", [])[::-1]}) for each in entries
    ]
    turned[0] = entries[0]
    there, back = Access(entries, default=default), Access(turned[::-1], default=default)
    assert there.decide(request) == back.decide(request)
