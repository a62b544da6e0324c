"""Bad input gets one line: file, line, what is wrong, what to do."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from posture.errors import InputError
from posture.model.application import load_application
from posture.model.posture import load_posture
from posture.model.settings import settings_from

if TYPE_CHECKING:
    from pathlib import Path

    from posture.model.application import Application

HEAD = "description: A test\n"
LIMIT = "limits:\n  details: {"
GRANT = HEAD + "grants:\n  - {name: a, from: productpage, to: details}\n"

POSTURES = {
    "empty file": ("", 1, "is empty"),
    "only a comment": ("# nothing\n", 1, "is empty"),
    "list where a map belongs": ("- a\n", 1, "expected a mapping"),
    "tab": (HEAD + "grants:\n\t- a\n", 3, "a tab; indent with spaces"),
    "not YAML": (HEAD + "grants: [\n", 3, "is not YAML"),
    "duplicate key": (HEAD + "description: B\n", 2, "key 'description' stands here twice; the first is on line 1"),
    "duplicate key inside": (
        HEAD + "limits:\n  details: {maxInboundConnections: 1, maxInboundConnections: 2}\n",
        3,
        "key 'maxInboundConnections' stands here twice",
    ),
    "alias": (HEAD + "limits: &a {}\nmesh: *a\n", 3, "an alias"),
    "permissions that are commented out": (
        HEAD + "grants:\n  - name: a\n    from: productpage\n    to: details\n    permissions:\n      # - {}\n",
        6,
        "'permissions' is empty; write its value, or remove it",
    ),
    "methods without a value": (
        HEAD + "grants:\n  - {name: a, from: productpage, to: details, permissions: [{methods: }]}\n",
        3,
        "'methods' is empty",
    ),
    "limit without a value": (HEAD + LIMIT + "perCaller: }\n", 3, "'perCaller' is empty"),
    "unknown key": (HEAD + "grant: []\n", 2, "unknown key 'grant'; did you mean 'grants'?"),
    "unknown key inside": (
        HEAD + "grants:\n  - name: a\n    form: productpage\n    to: details\n",
        4,
        "unknown key 'form'; did you mean 'from'?",
    ),
    "unknown key of a limit": (
        HEAD + "limits:\n  details:\n    maxInboundConnection: 1\n",
        4,
        "did you mean 'maxInboundConnections'?",
    ),
    "name is the file's": (HEAD + "name: x\n", 2, "unknown key 'name'"),
    "missing description": ("grants: []\n", 1, "'description' is missing"),
    "missing destination": (HEAD + "grants:\n  - {name: a, from: productpage}\n", 3, "'to' is missing"),
    "map where a list belongs": (HEAD + "grants: {a: b}\n", 2, "'grants' must be a list, not a map"),
    "list where a limit's map belongs": (HEAD + "limits: [details]\n", 2, "'limits' must be a map, not a list"),
    "number where text belongs": ("description: 5\n", 1, "'description' must be text, not 5"),
    "text where a number belongs": (
        HEAD + "limits:\n  details:\n    maxInboundConnections: many\n",
        4,
        "must be a whole number, not text",
    ),
    "limit of zero": (HEAD + "limits:\n  details: {maxInboundConnections: 0}\n", 3, "must be at least 1, not 0"),
    "rate of zero": (HEAD + LIMIT + "requestsPerSecond: 0}\n", 3, "'requestsPerSecond' must be at least 0.01, not 0"),
    "negative rate": (
        HEAD + LIMIT + "requestsPerSecond: -5}\n",
        3,
        "'requestsPerSecond' must be at least 0.01, not -5",
    ),
    "rate in words": (HEAD + LIMIT + "requestsPerSecond: five}\n", 3, "'requestsPerSecond' must be a number, not text"),
    "rate without end": (HEAD + LIMIT + "requestsPerSecond: .inf}\n", 3, "'requestsPerSecond' must be a finite number"),
    "rate that is none": (
        HEAD + LIMIT + "requestsPerSecond: .nan}\n",
        3,
        "'requestsPerSecond' must be a finite number",
    ),
    "rate beyond all reason": (HEAD + LIMIT + "requestsPerSecond: 1.0e+9}\n", 3, "'requestsPerSecond' must be at most"),
    "burst below one": (HEAD + LIMIT + "requestsPerSecond: 5, burst: 0}\n", 3, "'burst' must be at least 1, not 0"),
    "burst of a part": (
        HEAD + LIMIT + "requestsPerSecond: 5, burst: 1.5}\n",
        3,
        "'burst' must be a whole number, not 1.5",
    ),
    "burst without a rate": (HEAD + LIMIT + "burst: 5}\n", 3, "'burst' needs 'requestsPerSecond'"),
    "limit of nothing": (HEAD + LIMIT + "description: x}\n", 3, "a limit that says nothing limits nothing"),
    "limit of no rate per caller": (HEAD + LIMIT + "perCaller: {burst: 5}}\n", 3, "'requestsPerSecond' is missing"),
    "field of Enterprise": (
        HEAD + LIMIT + "rateLimits: {instanceLevel: {requestsPerSecond: 5}}}\n",
        3,
        "'rateLimits' is a field of Consul Enterprise; write requestsPerSecond",
    ),
    "route of Enterprise": (
        HEAD + LIMIT + "routes: [{pathRegex: /a, requestsPerSecond: 5}]}\n",
        3,
        "'pathRegex' of a rate is a field of Consul Enterprise; write pathExact",
    ),
    "route that no service serves": (
        HEAD + "limits:\n  productpage: {routes: [{pathExact: /x, requestsPerSecond: 5}]}\n",
        3,
        "nothing of 'productpage' is known at '/x'; did you mean '/'?",
    ),
    "route that no route of the gateway leads to": (
        HEAD + "limits:\n  gateway: {routes: [{pathPrefix: /log, requestsPerSecond: 5}]}\n",
        3,
        "nothing of 'gateway' is known at '/log'; known: /",
    ),
    "route without a match": (
        HEAD + LIMIT + "routes: [{requestsPerSecond: 5}]}\n",
        3,
        "a route needs a path or methods",
    ),
    "route without a rate": (
        HEAD + LIMIT + "routes: [{methods: [GET]}]}\n",
        3,
        "a route without a rate limits nothing; add requestsPerSecond or perCaller",
    ),
    "route that another hides": (
        HEAD + LIMIT + "routes: [{methods: [GET], requestsPerSecond: 5}, {methods: [GET], requestsPerSecond: 6}]}\n",
        3,
        "two routes match the same requests",
    ),
    "route with two paths": (
        HEAD + LIMIT + "routes: [{pathExact: /a, pathPrefix: /b, requestsPerSecond: 5}]}\n",
        3,
        "a route has one of pathExact and pathPrefix",
    ),
    "route with a path of many kinds of blank": (
        HEAD + LIMIT + "routes: [{pathExact: '/a b', requestsPerSecond: 5}]}\n",
        3,
        "'/a b' is no valid 'pathExact'",
    ),
    "rate on tcp": (
        HEAD + "limits:\n  database: {requestsPerSecond: 5}\n",
        3,
        "'requestsPerSecond' can't be here: 'database' is a tcp service",
    ),
    "rate per caller on tcp": (
        HEAD + "limits:\n  a: {on: database, perCaller: {requestsPerSecond: 5}}\n",
        3,
        "'perCaller' can't be here: 'database' is a tcp service, which has no requests; limit its",
    ),
    "rate per caller at the gateway": (
        HEAD + "limits:\n  gateway: {perCaller: {requestsPerSecond: 5}}\n",
        3,
        "'perCaller' can't be here: the gateway limits the rate of all that enters",
    ),
    "rate per caller of a route at the gateway": (
        HEAD + "limits:\n  gateway: {routes: [{pathPrefix: /, perCaller: {requestsPerSecond: 5}}]}\n",
        3,
        "'perCaller' can't be here: the gateway limits the rate of all that enters",
    ),
    "upstream that isn't called": (
        HEAD + LIMIT + "upstreams: {ratings: {maxConnections: 1}}}\n",
        3,
        "details doesn't call 'ratings'; there are none",
    ),
    "upstream with nothing": (
        HEAD + LIMIT + "upstreams: {ratings: {}}}\n",
        3,
        "an upstream's limits that say nothing",
    ),
    "limit named as a grant": (
        GRANT + "limits:\n  a: {on: details, requestsPerSecond: 5}\n",
        5,
        "'a' is a grant already; rename the limit",
    ),
    "limit on nobody": (HEAD + "limits:\n  a: {on: detail, requestsPerSecond: 5}\n", 3, "did you mean 'details'?"),
    "limit on no service": (HEAD + "limits:\n  detail: {maxInboundConnections: 1}\n", 3, "did you mean 'details'?"),
    "unknown destination": (
        HEAD + "grants:\n  - name: a\n    from: productpage\n    to: rating\n",
        5,
        "no service 'rating'; did you mean 'ratings'?",
    ),
    "unknown source": (
        HEAD + "grants:\n  - name: a\n    from: gatway\n    to: ratings\n",
        4,
        "nobody called 'gatway'; did you mean 'gateway'?",
    ),
    "same grant twice": (GRANT + "  - {name: a, from: reviews, to: ratings}\n", 4, "grant 'a' is there already"),
    "contradiction": (
        GRANT + "  - name: b\n    from: productpage\n    to: details\n    permissions: [{methods: [GET]}]\n",
        4,
        "grant 'b' contradicts 'a'",
    ),
    "lower-case method": (
        HEAD + "grants:\n  - name: a\n    from: reviews\n    to: ratings\n    permissions:\n      - methods: [get]\n",
        7,
        "'methods' is 'get'; it must be 'GET'",
    ),
    "path without a slash": (
        HEAD + "grants:\n  - name: a\n    from: reviews\n    to: ratings\n    permissions: [{pathPrefix: ratings/}]\n",
        6,
        "'ratings/' is no valid 'pathPrefix'",
    ),
    "two kinds of path": (
        HEAD
        + "grants:\n  - name: a\n    from: reviews\n    to: ratings\n    permissions:\n"
        + "      - {pathPrefix: /a/, pathExact: /a}\n",
        7,
        "a permission has one of pathExact, pathPrefix, pathRegex; keep one",
    ),
    "no regular expression": (
        HEAD + "grants:\n  - name: a\n    from: reviews\n    to: ratings\n    permissions: [{pathRegex: '/(a'}]\n",
        6,
        "'/(a' is no RE2 regular expression (missing )",
    ),
    "regular expression that only others know": (
        HEAD + "grants:\n  - name: a\n    from: reviews\n    to: ratings\n    permissions: [{pathRegex: '/(?=a)'}]\n",
        6,
        "is no RE2 regular expression (invalid perl operator",
    ),
    "empty permission": (
        HEAD + "grants:\n  - name: a\n    from: reviews\n    to: ratings\n    permissions: [{}]\n",
        6,
        "names nothing",
    ),
    "no methods": (
        HEAD + "grants:\n  - name: a\n    from: reviews\n    to: ratings\n    permissions: [{methods: []}]\n",
        6,
        "'methods' must not be empty",
    ),
    "two kinds of header match": (
        HEAD
        + "grants:\n  - name: a\n    from: reviews\n    to: ratings\n    permissions:\n"
        + "      - header: [{name: x, exact: a, prefix: b}]\n",
        7,
        "exactly one of",
    ),
    "L7 on tcp": (
        HEAD + "grants:\n  - name: a\n    from: reviews\n    to: database\n    permissions: [{methods: [GET]}]\n",
        6,
        "'database' is a tcp service",
    ),
    "extends nothing": (HEAD + "extends: nothing\n", 2, "no posture 'nothing'"),
    "extends itself": (HEAD + "extends: bad\n", 2, "extends itself by way of bad -> bad"),
    "TLS too old": (HEAD + "mesh: {tlsMinVersion: TLSv1_1}\n", 2, "'tlsMinVersion' is 'TLSv1_1'; it must be"),
}


@pytest.fixture
def application(tmp_path: Path) -> Application:
    file = tmp_path / "shop.yaml"
    service = "{port: 9080, command: [run]}"
    file.write_text(
        HEAD
        + "services:\n"
        + "".join(f"  {name}: {service}\n" for name in ("productpage", "details", "reviews", "ratings"))
        + "  database: {port: 5432, protocol: tcp, command: [run]}\n"
        + "gateway: {routes: [{exact: /, to: productpage}]}\n"
    )
    return load_application(file)


@pytest.mark.parametrize(("text", "line", "words"), POSTURES.values(), ids=POSTURES.keys())
def test_bad_posture_is_refused_by_its_line(
    tmp_path: Path, application: Application, text: str, line: int, words: str
) -> None:
    (tmp_path / "stacks").mkdir()
    (tmp_path / "stacks" / "bad.yaml").write_text(text)
    with pytest.raises(InputError) as error:
        load_posture(tmp_path / "stacks", "bad", application)
    said = str(error.value)
    assert said.startswith(f"{tmp_path}/stacks/bad.yaml:{line}: ")
    assert words in said
    assert ";" in said, "says what to do"
    assert "\n" not in said


APPLICATIONS = {
    "call to nobody": ("services:\n  a: {port: 1, command: [x], calls: [{to: b, path: /}]}\n", "no service 'b'"),
    "route to nobody": ("services:\n  b: {port: 1, command: [x]}\n", "no service 'a'"),
    "route over tcp": ("services:\n  a: {port: 1, protocol: tcp, command: [x]}\n", "routes by path need http"),
    "name that DNS refuses": ("services:\n  A_b: {port: 1, command: [x]}\n", "no valid 'A_b'"),
    "port out of range": ("services:\n  a: {port: 65536, command: [x]}\n", "'port' must be at most 65535"),
    "no services": ("services: {}\n", "'services' must not be empty"),
    "service named as a stranger": (
        "services:\n  a: {port: 1, command: [x]}\n  unknown: {port: 1, command: [x]}\n",
        "'unknown' is what callers are called that the application doesn't have",
    ),
    "client named as who has no identity": (
        "services:\n  a: {port: 1, command: [x]}\nclients:\n  outside: {calls: [{to: a, path: /}]}\n",
        "'outside' is what callers are called",
    ),
    "calls without a value": ("services:\n  a: {port: 1, command: [x], container: }\n", "'container' is empty"),
    "client named as a service": (
        "services:\n  a: {port: 1, command: [x]}\nclients:\n  a: {calls: [{to: a, path: /}]}\n",
        "give the client another name",
    ),
    "client named as an instance": (
        "services:\n  a: {port: 1, command: [x]}\nclients:\n  a-v1: {calls: [{to: a, path: /}]}\n",
        "'a-v1' is an instance of a service; give the client another name",
    ),
    "version named twice": (
        "services:\n  a: {port: 1, command: [x], versions: [v1, v1]}\n",
        "two instances would be called 'a-v1'; rename one",
    ),
    "version that makes another service's name": (
        "services:\n  a: {port: 1, command: [x], versions: [b-v1]}\n  a-b: {port: 1, command: [x]}\n",
        "two instances would be called 'a-b-v1'; rename one",
    ),
}


def test_a_grant_may_not_have_the_name_of_an_inherited_limit(tmp_path: Path, application: Application) -> None:
    (tmp_path / "base.yaml").write_text(f"{HEAD}limits:\n  a: {{on: details, maxInboundConnections: 1}}\n")
    (tmp_path / "own.yaml").write_text(GRANT.replace(HEAD, f"{HEAD}extends: base\n"))
    with pytest.raises(InputError, match=r"own.yaml:4: 'a' is a limit already; rename the grant$"):
        load_posture(tmp_path, "own", application)


@pytest.mark.parametrize(("text", "words"), APPLICATIONS.values(), ids=APPLICATIONS.keys())
def test_bad_application_is_refused_by_its_line(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(f"{HEAD}{text}gateway: {{routes: [{{exact: /, to: a}}]}}\n")
    with pytest.raises(InputError) as error:
        load_application(file)
    assert re.match(rf"{re.escape(str(file))}:\d+: .*{re.escape(words)}[^\n]*$", str(error.value))


@pytest.mark.parametrize("hostname", ["a..b", "a.-b", "a-.b", ".a", "*.", "**.a", "a.*"])
def test_a_hostname_that_the_gateway_api_refuses_is_refused(hostname: str, tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    gateway = f"gateway: {{hostname: '{hostname}', routes: [{{exact: /, to: a}}]}}\n"
    file.write_text(f"{HEAD}services:\n  a: {{port: 1, command: [x]}}\n{gateway}")
    with pytest.raises(InputError, match="is no valid 'hostname'"):
        load_application(file)
    file.write_text(file.read_text().replace(f"'{hostname}'", "'*.a-b.c1'"))
    assert load_application(file).gateway.hostname == "*.a-b.c1"


def test_the_port_of_the_gateway_is_refused_in_an_application(tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    gateway = "gateway:\n  port: 8443\n  routes: [{exact: /, to: a}]\n"
    file.write_text(f"{HEAD}services:\n  a: {{port: 1, command: [x]}}\n{gateway}")
    with pytest.raises(
        InputError, match=r"bad\.yaml:5: the gateway's port is each stack's own; remove it, and set 'ga"
    ):
        load_application(file)


@pytest.mark.parametrize(
    ("key", "value"),
    [("gatewayHostname", "a..b"), ("gatewayHostname", "a-.b"), ("namespace", "A_b")],
)
def test_a_stack_names_its_gateway_and_namespace_as_an_api_server_takes_them(key: str, value: str) -> None:
    with pytest.raises(InputError, match=re.escape(f"'{value}' is no valid '{key}'")):
        settings_from("prod", {key: value})
    found = settings_from("prod", {"gatewayHostname": "*.a-b.c1", "namespace": "shop-1"})
    assert (found.gateway_hostname, found.namespace) == ("*.a-b.c1", "shop-1")
    assert settings_from("prod", {key: ""}) == settings_from("prod", {})


def test_unreadable_files_are_refused(tmp_path: Path, application: Application) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"description: \xff\n")
    (tmp_path / "deep.yaml").write_text("description: " + "[" * 5000)
    with pytest.raises(InputError, match="not UTF-8"):
        load_posture(tmp_path, "latin", application)
    with pytest.raises(InputError, match="nested too deeply"):
        load_posture(tmp_path, "deep", application)
    with pytest.raises(InputError, match="no posture 'lattin'; did you mean 'latin'"):
        load_posture(tmp_path, "lattin", application)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("description: 1" + ":59" * 30_000, "can't be read; quote it"),
        ("description: 0x" + "f" * 5_000, "can't be read; quote it"),
        ('description: !!int ""', "a tag (tag:yaml.org,2002:int)"),
        ("description: x\n<<: {grants: []}", "a merge key (<<); write the values out"),
        ('description: "\\ud800"', "half a character"),
        ("description: x\n---\ndescription: y", "holds several documents"),
        ("description: " + "[" * 1_000_000, "is nested too deeply"),
        ("description: [" + "1," * 300_000, "more than 250,000 values"),
        ("description: " + "x" * 5_000_000, "is larger than 4 MiB"),
        (GRANT[:-2] + ", permissions: [{header: [{name: x, exact: ''}]}]}", "should have at least 1 character"),
        (GRANT[:-2] + ", permissions: [{header: [{name: 'x y', exact: a}]}]}", "'x y' is no valid 'name'"),
        (GRANT[:-2] + ', permissions: [{pathExact: "/a\\e[2J"}]}', "is no valid 'pathExact'"),
    ],
)
def test_what_would_be_endless_or_nonsense_is_refused_in_one_line(
    tmp_path: Path, application: Application, text: str, words: str
) -> None:
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(InputError) as error:
        load_posture(tmp_path, "bad", application)
    assert words in str(error.value)
    assert str(error.value).isprintable()
