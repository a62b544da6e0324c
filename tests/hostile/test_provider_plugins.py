"""The stand-ins for provider plugins over real gRPC, asked what no engine asks."""

from __future__ import annotations

import json
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import grpc  # type: ignore[import-untyped]  # it has no types
import pytest
from google.protobuf import json_format, struct_pb2  # type: ignore[import-untyped]  # it has no types
from hypothesis import given
from hypothesis import strategies as st
from pulumi.runtime.proto import provider_pb2

from tests.hostile.plugin import a_plugin
from tests.hostile.words import PROFILE, TEXTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.hostile.plugin import Plugin

SERVICE = "pulumirpc.ResourceProvider"
SIG = "4dabf18193072939515e22adb298388d"
SPECIAL: list[Any] = [
    {SIG: "1b47061264138c4ac30d75fd1eb44270", "value": "x"},  # a secret
    {SIG: "1b47061264138c4ac30d75fd1eb44270"},
    {SIG: "c44067f5952c0a294b673a41bacd8c17", "text": "x"},  # an asset
    {SIG: "c44067f5952c0a294b673a41bacd8c17", "hash": 5},
    {SIG: "0def7320c3a5731c473e5ecbe6d01bc7", "assets": {"a": 1}},  # an archive
    {SIG: "0def7320c3a5731c473e5ecbe6d01bc7"},
    {SIG: "5cf8f73096256a8f31e491e813e4eb8e", "urn": "x", "id": None},  # a resource
    {SIG: "d0e6a833031e9bbcd3f4e8bde6ca49a4", "value": "x", "dependencies": [1]},  # an output
    {SIG: "nothing known"},
    {SIG: 5},
    "04da6b54-80e4-46f7-96ec-b56ff0331ba9",  # not known yet
    "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
    "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
]
TYPES = {
    "consul": ["consul:index/configEntry:ConfigEntry", "consul:index/keys:Keys"],
    "kubernetes": [
        "kubernetes:core/v1:ConfigMap",
        "kubernetes:core/v1:Secret",
        "kubernetes:apps/v1:Deployment",
        "kubernetes:helm.sh/v3:Release",
        "kubernetes:consul.hashicorp.com/v1alpha1:ServiceIntentions",
        "kubernetes:rbac.authorization.k8s.io/v1:ClusterRole",
    ],
}
RIGHT: dict[str, list[dict[str, Any]]] = {
    "consul": [
        {"kind": "service-intentions", "name": "a", "configJson": json.dumps({"Sources": [{"Name": "b"}]})},
        {"address": "127.0.0.1:9", "headers": '[{"name": "a", "value": "b"}]', "token": "x", "scheme": "http"},
    ],
    "kubernetes": [
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a", "annotations": {}}, "stringData": {"a": "b"}},
        {"chart": "consul", "name": "a", "repositoryOpts": {"repo": "https://127.0.0.1:9"}, "values": {"a": [1]}},
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "a"},
            "spec": {"selector": {}, "template": {"spec": {"containers": [{"resources": {"limits": {"cpu": "1"}}}]}}},
            "__inputs": {"metadata": {"name": "a"}},
            "__initialApiVersion": "v1",
            "__fieldManager": "x",
        },
        {"kubeconfig": "{}", "context": "a", "cluster": "b", "namespace": "c", "deleteUnreachable": True},
    ],
}
ODD = [
    *(
        [
            "{",
            "[]",
            "null",
            "1e999",
            "NaN",
            "[" * 50_000,
            '{"a":' * 50_000,
            "9" * 10_000,
            '"\\ud800"',
            '{"a": 1, "a": 2}',
        ]
    ),
    *(
        "- a\n- b",
        "&a [*a]",
        "a: &a {<<: *a}",
        "contexts: [1]",
        "contexts: {a: b}",
        "/dev/zero",
        "~/../../x",
        "f" * 300,
    ),
]
REQUESTS: dict[str, Any] = {
    "CheckConfig": provider_pb2.CheckRequest,
    "DiffConfig": provider_pb2.DiffRequest,
    "Configure": provider_pb2.ConfigureRequest,
    "Check": provider_pb2.CheckRequest,
    "Diff": provider_pb2.DiffRequest,
    "Create": provider_pb2.CreateRequest,
    "Update": provider_pb2.UpdateRequest,
    "Read": provider_pb2.ReadRequest,
    "Delete": provider_pb2.DeleteRequest,
    "Invoke": provider_pb2.InvokeRequest,
    "Call": provider_pb2.CallRequest,
    "Construct": provider_pb2.ConstructRequest,
    "Parameterize": provider_pb2.ParameterizeRequest,
    "GetSchema": provider_pb2.GetSchemaRequest,
    "GetMapping": provider_pb2.GetMappingRequest,
    "Handshake": provider_pb2.ProviderHandshakeRequest,
    "Attach": provider_pb2.PluginAttach if hasattr(provider_pb2, "PluginAttach") else provider_pb2.GetSchemaRequest,
}
ANYTHING = st.one_of(
    st.sampled_from(
        [*TEXTS, *ODD, *SPECIAL, None, True, 0.5, -1.0, 1e308, [], {}, [[None]], {"": {}}, {"metadata": []}]
    ),
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.floats(), st.text(max_size=5)),
        lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)),
        max_leaves=5,
    ),
)


def struct(values: dict[str, Any]) -> Any:
    made = struct_pb2.Struct()
    for key, value in values.items():
        made.fields[key.encode(errors="replace").decode()].CopyFrom(_value(value))
    return made


def _value(value: Any) -> Any:
    if isinstance(value, dict):
        return struct_pb2.Value(struct_value=struct(value))
    if isinstance(value, list):
        return struct_pb2.Value(list_value=struct_pb2.ListValue(values=map(_value, value)))
    if isinstance(value, bool):
        return struct_pb2.Value(bool_value=value)
    if value is None:
        return struct_pb2.Value(null_value=struct_pb2.NULL_VALUE)
    if isinstance(value, str):
        return struct_pb2.Value(string_value=value.encode(errors="replace").decode())
    return struct_pb2.Value(number_value=value)


def places(value: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place] * bool(place) + [each for key, inner in items for each in places(inner, (*place, key))]


def spoilt(values: dict[str, Any], place: tuple[Any, ...], other: Any) -> dict[str, Any]:
    made = json.loads(json.dumps(values))
    here = made
    for part in place[:-1]:
        here = here[part]
    here[place[-1]] = other
    return dict(made)


@st.composite
def requests(draw: st.DrawFn, name: str) -> tuple[str, bytes]:
    """A request with the fields that it has, each right, wrong or absent."""
    method = draw(st.sampled_from([*REQUESTS]))
    request = REQUESTS[method]()
    token = draw(st.sampled_from([*TYPES[name], "", "x", "a:b:c", "kubernetes:::", TEXTS[12]]))
    for field in request.DESCRIPTOR.fields:
        if draw(st.integers(0, 9)) == 0:
            continue
        if field.message_type is not None and field.message_type.full_name == "google.protobuf.Struct":
            values = draw(st.sampled_from([*RIGHT[name], {}]))
            for place in draw(st.lists(st.sampled_from(places(values) or [("x",)]), max_size=1)):
                values = spoilt(values, place, draw(ANYTHING)) if places(values) else {"x": draw(ANYTHING)}
            getattr(request, field.name).CopyFrom(struct(values))
        elif field.name in {"type", "tok", "token"}:
            setattr(request, field.name, token)
        elif field.name == "urn":
            urn = f"urn:pulumi:dev::p::{token}::a"
            request.urn = draw(st.sampled_from([urn, urn, urn, "", "urn:pulumi", "x::y", "::::::"]))
        elif field.name == "id":
            request.id = draw(st.sampled_from(["a", "n/a", "", "/", "a/b/c/d", "service-intentions-a", "../x", "💥"]))
        elif field.name == "preview":
            request.preview = draw(st.booleans())
        elif field.name == "timeout":
            request.timeout = draw(st.sampled_from([0, 1, -1]))
    return method, request.SerializeToString()


@pytest.fixture(scope="module", params=["consul", "kubernetes"])
def plugin(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plugin]:
    folder = tmp_path_factory.mktemp(request.param)
    environment = {"CONSUL_HTTP_ADDR": "127.0.0.1:9", "KUBECONFIG": str(folder / "none"), "HOME": str(folder)}
    with a_plugin(("posture.local.plugins", request.param), SERVICE, folder, environment) as plugin:
        plugin.name = request.param  # type: ignore[attr-defined]
        yield plugin


def test_any_request(plugin: Plugin) -> None:
    @PROFILE(300)
    @given(requests(plugin.name))  # type: ignore[attr-defined]
    def holds(request: tuple[str, bytes]) -> None:
        plugin.answers(*request)

    holds()


def test_bytes_that_are_no_request(plugin: Plugin) -> None:
    @PROFILE(60)
    @given(st.sampled_from([*REQUESTS, "Cancel"]), st.binary(max_size=60))
    def holds(method: str, request: bytes) -> None:
        plugin.answers(method, request)

    holds()


@pytest.mark.parametrize("method", ["", "Nothing", "check", "../Check", "Check/x"])
def test_a_method_that_is_none(plugin: Plugin, method: str) -> None:
    code, _ = plugin.answers(method, b"")
    assert code is grpc.StatusCode.UNIMPLEMENTED


def nested(depth: int) -> bytes:
    """A `CheckRequest` whose inputs are maps in maps; protobuf's own classes would not make it."""
    inner = b""
    for _ in range(depth):
        value = _field(5, inner)  # Value.struct_value
        inner = _field(1, _field(1, b"a") + _field(2, value))  # Struct.fields
    return _field(1, b"urn:pulumi:dev::p::consul:index/configEntry:ConfigEntry::a") + _field(3, inner)


def _field(number: int, content: bytes) -> bytes:
    size, length = len(content), b""
    while size > 127:
        length += bytes([size & 127 | 128])
        size >>= 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + content


@pytest.mark.parametrize("depth", [20, 30, 100, 5_000])
@pytest.mark.parametrize("method", ["Check", "CheckConfig"])
def test_maps_in_maps(plugin: Plugin, method: str, depth: int) -> None:
    plugin.answers(method, nested(depth))


@pytest.mark.parametrize("method", ["Check", "CheckConfig", "Create"])
def test_a_large_request(plugin: Plugin, method: str) -> None:
    values = {f"k{i}": ["x" * 100] * 10 for i in range(5_000)}
    request = REQUESTS[method]()
    (request.properties if method == "Create" else request.news).CopyFrom(struct(values))
    plugin.answers(method, request.SerializeToString())


@pytest.mark.parametrize(
    "words",
    [
        b"",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        os.urandom(5_000),
        b"\0" * 5_000,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + os.urandom(500),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
    ids=["nothing", "HTTP/1.1", "anything", "zeros", "the beginning of HTTP/2", "TLS"],
)
def test_bytes_on_its_port(plugin: Plugin, words: bytes) -> None:
    with socket.create_connection(("127.0.0.1", plugin.port), timeout=5) as connection:
        connection.sendall(words)
    plugin.serves()


def test_many_callers_that_go_away(plugin: Plugin) -> None:
    request = provider_pb2.CreateRequest(
        urn="urn:pulumi:dev::p::consul:index/configEntry:ConfigEntry::a", properties=struct(RIGHT["consul"][0])
    ).SerializeToString()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: plugin.call("Create", request, seconds=0.01), range(40)))
    plugin.serves()


def test_a_cancel_at_any_time(plugin: Plugin) -> None:
    request = provider_pb2.CheckRequest(
        urn="urn:pulumi:dev::p::kubernetes:core/v1:Secret::a", news=struct(RIGHT["kubernetes"][0])
    ).SerializeToString()
    with ThreadPoolExecutor(8) as pool:
        calls = [
            pool.submit(plugin.call, "Cancel" if i % 4 == 0 else "Check", request if i % 4 else b"") for i in range(40)
        ]
        assert all(each.result()[0] is not grpc.StatusCode.DEADLINE_EXCEEDED for each in calls)
    plugin.serves()


@pytest.mark.parametrize("plugin", ["consul"], indirect=True)
def test_json_of_a_request_is_read_back(plugin: Plugin) -> None:
    """What is right still is: hostile texts are data."""
    with grpc.insecure_channel(f"127.0.0.1:{plugin.port}") as channel:
        rpc = channel.unary_unary(f"/{SERVICE}/Check", response_deserializer=provider_pb2.CheckResponse.FromString)
        for text in TEXTS:
            body = {"kind": "service-defaults", "name": text or "x", "configJson": json.dumps({"Meta": {"a": text}})}
            request = provider_pb2.CheckRequest(
                urn="urn:pulumi:dev::p::consul:index/configEntry:ConfigEntry::a", news=struct(body)
            )
            answer = rpc(request.SerializeToString(), timeout=10)
            assert not answer.failures
            assert json_format.MessageToDict(answer.inputs) == body
