"""The policy pack over real gRPC, asked what no engine asks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import grpc  # type: ignore[import-untyped]  # it has no types
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pulumi.runtime.proto import analyzer_pb2

from tests.hostile.plugin import a_plugin
from tests.hostile.test_provider_plugins import ANYTHING, RIGHT, SIG, TYPES, places, spoilt, struct
from tests.hostile.words import PROFILE, TEXTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.hostile.plugin import Plugin

SERVICE = "pulumirpc.Analyzer"
SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - the mark of one
WORDS = st.sampled_from([*TEXTS, "dev", "urn:pulumi:dev::p::t::a", "urn:pulumi:../../x::p::t::a", "configJson"]).map(
    lambda text: text.encode(errors="replace").decode()
)


@st.composite
def resources(draw: st.DrawFn, kind: Any = analyzer_pb2.AnalyzeRequest) -> Any:
    """A resource, or nearly one."""
    target = draw(st.sampled_from([*TYPES]))
    values = draw(st.sampled_from(RIGHT[target]))
    for place in draw(st.lists(st.sampled_from(places(values)), max_size=1)):
        values = spoilt(values, place, draw(ANYTHING))
    made = kind(
        type=draw(st.one_of(st.sampled_from(TYPES[target]), WORDS)),
        urn=draw(WORDS),
        name=draw(WORDS),
        properties=struct(values),
    )
    made.options.additionalSecretOutputs.extend(draw(st.lists(WORDS, max_size=2)))
    return made


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plugin]:
    with a_plugin(("policies",), SERVICE, tmp_path_factory.mktemp("pack"), {}) as plugin:
        yield plugin


def test_any_resource(pack: Plugin) -> None:
    @PROFILE(200)
    @given(st.sampled_from(["Analyze", "Remediate"]), resources())
    def holds(method: str, request: Any) -> None:
        code, words = pack.answers(method, request.SerializeToString())
        assert code is grpc.StatusCode.OK, words

    holds()


def test_any_stack(pack: Plugin) -> None:
    @PROFILE(60)
    @given(st.lists(resources(analyzer_pb2.AnalyzerResource), max_size=4))
    def holds(found: list[Any]) -> None:
        code, words = pack.answers(
            "AnalyzeStack", analyzer_pb2.AnalyzeStackRequest(resources=found).SerializeToString()
        )
        assert code is grpc.StatusCode.OK, words

    holds()


@pytest.mark.parametrize("secret", [{SIG: SECRET}, {SIG: SECRET, "value": {SIG: SECRET}}, {SIG: SECRET, "value": None}])
def test_a_secret_that_says_nothing(pack: Plugin, secret: dict[str, Any]) -> None:
    request = analyzer_pb2.AnalyzeRequest(type=TYPES["consul"][0], properties=struct({"configJson": secret}))
    assert pack.answers("Analyze", request.SerializeToString())[0] is grpc.StatusCode.OK


def test_bytes_that_are_no_request(pack: Plugin) -> None:
    @PROFILE(60)
    @given(st.sampled_from(["Analyze", "AnalyzeStack", "GetAnalyzerInfo", "Remediate"]), st.binary(max_size=60))
    def holds(method: str, request: bytes) -> None:
        pack.answers(method, request)

    holds()


def test_a_large_stack(pack: Plugin) -> None:
    body = {"kind": "service-defaults", "name": "a", "configJson": json.dumps({"Protocol": "http"})}
    each = analyzer_pb2.AnalyzerResource(type=TYPES["consul"][0], urn="x", name="a", properties=struct(body))
    request = analyzer_pb2.AnalyzeStackRequest(resources=[each] * 1_000)
    assert pack.answers("AnalyzeStack", request.SerializeToString())[0] is grpc.StatusCode.OK
