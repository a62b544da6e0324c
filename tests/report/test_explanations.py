"""`explain` for an allow and a deny of each kind of rule, as a reader sees it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from posture.model.access import Access, Arrival, Request
from posture.model.application import load_application
from posture.model.entries import Entry, Kind, compile_entries
from posture.model.explanation import explain, explain_entrance
from posture.model.origins import origins
from posture.model.posture import load_posture
from posture.report.explanation_json import explanation_json
from posture.report.explanation_text import explanation_text

if TYPE_CHECKING:
    from posture.model.explanation import Explanation

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden" / "access"


def permitting(**permission: Any) -> list[dict[str, Any]]:
    jwt = permission.pop("JWT", None)
    return [{"Name": "web", "Permissions": [{"Action": "allow", "HTTP": permission, **({"JWT": jwt} if jwt else {})}]}]


def header(**match: Any) -> list[dict[str, Any]]:
    return permitting(Header=[{"Name": "x-key", **match}])


ALLOW_WEB, ALLOW_ANY = {"Name": "web", "Action": "allow"}, {"Name": "*", "Action": "allow"}
DENY_WEB, DENY_ANY = {"Name": "web", "Action": "deny"}, {"Name": "*", "Action": "deny"}
WEB, OTHER = Request("web", "db"), Request("other", "db")


def web(method: str = "GET", path: str = "/x", **headers: str) -> Request:
    return Request("web", "db", method, path, {name.replace("_", "-"): value for name, value in headers.items()})


KINDS: dict[str, tuple[list[dict[str, Any]], Request, Request]] = {
    # the rules of db, a request that is allowed, one that is denied
    "source": ([ALLOW_WEB, DENY_ANY], WEB, OTHER),
    "denied source": ([DENY_WEB, ALLOW_ANY], OTHER, WEB),
    "path, exact": (permitting(PathExact="/x"), web(), web(path="/y")),
    "path, prefix": (permitting(PathPrefix="/x/"), web(path="/x/1"), web(path="/x")),
    "path, regex": (permitting(PathRegex="/[0-9]+"), web(path="/12"), web(path="/12a")),
    "method": (permitting(Methods=["GET", "HEAD"]), web(), web("POST")),
    "header, exact": (header(Exact="v"), web(x_key="v"), web(x_key="w")),
    "header, any case": (header(Exact="v", IgnoreCase=True), web(x_key="V"), web()),
    "header, prefix": (header(Prefix="v"), web(x_key="v1"), web(x_key="1v")),
    "header, suffix": (header(Suffix="v"), web(x_key="1v"), web(x_key="v1")),
    "header, contains": (header(Contains="v"), web(x_key="1v1"), web(x_key="w")),
    "header, regex": (header(Regex="v+"), web(x_key="vv"), web(x_key="vw")),
    "header, present": (header(Present=True), web(x_key=""), web()),
    "header, inverted": (header(Exact="v", Invert=True), web(x_key="w"), web()),
    "all of it": (
        permitting(PathPrefix="/x/", Methods=["GET"], Header=[{"Name": "x-key", "Exact": "v"}]),
        web(path="/x/1", x_key="v"),
        Request("other", "db", "POST", "/x/1"),
    ),
    "token": (
        permitting(PathExact="/x", JWT={"Providers": [{"Name": "okta"}]}),
        Request("web", "db", path="/x", tokens=frozenset({"okta"})),
        web(),
    ),
    "escaped slash": ([ALLOW_WEB], web(path="/x/./y"), web(path="/x%2fy")),
    "no certificate": ([ALLOW_ANY], WEB, Request(None, "db")),
}


def of_db(rules: list[dict[str, Any]], *more: Entry, protocol: str = "http", default: str = "deny") -> Access:
    strict = {"HTTP": {"Incoming": {"RequestNormalization": {"PathWithEscapedSlashesAction": "REJECT_REQUEST"}}}}
    service = Entry(Kind.SERVICE_DEFAULTS, "db", {"Protocol": protocol})
    mine = Entry(Kind.SERVICE_INTENTIONS, "db", {"Sources": rules})
    return Access([Entry(Kind.MESH, "mesh", strict), service, mine, *more], default=default)


def everywhere(*rules: dict[str, Any]) -> Entry:
    return Entry(Kind.SERVICE_INTENTIONS, "*", {"Sources": list(rules)})


OTHERS: dict[str, tuple[Access, Request]] = {
    "any destination, allowed": (of_db([], everywhere(ALLOW_WEB)), WEB),
    "any destination, denied": (of_db([], everywhere(DENY_ANY)), WEB),
    "opened by the wider of two, allowed": (of_db([DENY_ANY], everywhere(ALLOW_WEB)), WEB),
    "default policy, allowed": (of_db([DENY_WEB], default="allow"), OTHER),
    "default policy, denied": (of_db([]), WEB),
    "permissive, allowed": (of_db([], Entry(Kind.PROXY_DEFAULTS, "global", {"MutualTLSMode": "permissive"})), WEB),
    "tcp, allowed": (of_db([ALLOW_WEB], protocol="tcp"), WEB),
    "tcp, denied": (of_db(permitting(PathExact="/"), protocol="tcp"), WEB),
}


def bookinfo() -> dict[str, Explanation]:
    application = load_application(ROOT / "apps" / "bookinfo.yaml")
    access = Access(compile_entries(application, load_posture(ROOT / "stacks", "rate-limited", application)))
    allowed, denied = Arrival("gateway", path="/static/x.css"), Arrival("gateway", path="/admin")
    return {
        "bookinfo, permission, allowed": explain(access, Request("reviews", "ratings", path="/ratings/7")),
        "bookinfo, permission, denied": explain(access, Request("reviews", "ratings", "POST", "/ratings/7")),
        "bookinfo, source, allowed": explain(access, Request("fortio", "productpage")),
        "bookinfo, source, denied": explain(access, Request("unknown", "productpage")),
        "bookinfo, gateway, allowed": explain_entrance(access, allowed, "productpage"),
        "bookinfo, gateway, denied": explain_entrance(access, denied, "productpage"),
    }


def explanations() -> dict[str, Explanation]:
    found = {}
    for name, (rules, allowed, denied) in KINDS.items():
        access = of_db(rules)
        found[f"{name}, allowed"] = explain(access, allowed)
        found[f"{name}, denied"] = explain(access, denied)
    return {**found, **{name: explain(*asked) for name, asked in OTHERS.items()}, **bookinfo()}


def test_explanations_are_the_golden_ones(*, update_golden: bool) -> None:
    places = origins(ROOT, load_application(ROOT / "apps" / "bookinfo.yaml"), "rate-limited")
    texts = [f"# {name}\n{explanation_text(each, places).plain}\n" for name, each in explanations().items()]
    golden = GOLDEN / "explain.txt"
    if update_golden:
        golden.write_text("\n".join(texts))
    assert "\n".join(texts) == golden.read_text()


@pytest.mark.parametrize("name", explanations())
def test_an_explanation_is_of_the_decision_that_it_is_named_for(name: str) -> None:
    assert explanations()[name].decision.allowed is name.endswith(", allowed")


def test_json_holds_what_the_text_says() -> None:
    places = origins(ROOT, load_application(ROOT / "apps" / "bookinfo.yaml"), "rate-limited")
    found = json.loads(explanation_json(bookinfo()["bookinfo, permission, denied"], places))
    assert (found["allowed"], found["rule"], found["status"], found["where"]) == (
        False,
        "default policy deny",
        403,
        None,
    )
    assert found["nearest"]["rule"] == "service-intentions/ratings source reviews permission 1"
    assert found["nearest"]["differs"] == ["method GET"]
    place = found["nearest"]["where"]
    assert place["grant"] == "ratings-viewer"
    assert "pathPrefix: /ratings/" in (ROOT / place["file"]).read_text().splitlines()[place["line"] - 1]


def test_every_rule_of_a_grant_has_its_line() -> None:
    application = load_application(ROOT / "apps" / "bookinfo.yaml")
    for posture in ("baseline", "layered-allow", "rate-limited"):
        places = origins(ROOT, application, posture)
        access = Access(compile_entries(application, load_posture(ROOT / "stacks", posture, application)))
        for service in application.services:
            for source in access.named_sources(service):
                rules = access.intentions.of(service, http=True)[source].rules
                assert all(rule.name in places for rule in rules), (posture, source, service)
