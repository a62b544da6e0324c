"""The stand-in for the language host over real gRPC, asked what no engine asks."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, Any

import grpc  # type: ignore[import-untyped]  # it has no types
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pulumi.runtime.proto import language_pb2

from tests.conftest import eventually
from tests.hostile.plugin import a_plugin
from tests.hostile.test_provider_plugins import _field, nested
from tests.hostile.words import PROFILE, TEXTS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.hostile.plugin import Plugin

SERVICE = "pulumirpc.LanguageRuntime"
REQUESTS: dict[str, Any] = {
    "Handshake": language_pb2.LanguageHandshakeRequest,
    "GetRequiredPackages": language_pb2.GetRequiredPackagesRequest,
    "Run": language_pb2.RunRequest,
    "RunPlugin": language_pb2.RunPluginRequest,
    "InstallDependencies": language_pb2.InstallDependenciesRequest,
    "GetProgramDependencies": language_pb2.GetProgramDependenciesRequest,
    "GenerateProgram": language_pb2.GenerateProgramRequest,
    "Pack": language_pb2.PackRequest,
}
WORDS = st.sampled_from([*TEXTS, "/nowhere", "/dev/null", "127.0.0.1:9", "analyzer", "resource", "PATH", "x=y"]).map(
    lambda text: text.encode(errors="replace").decode()
)


@st.composite
def requests(draw: st.DrawFn) -> tuple[str, bytes]:
    method = draw(st.sampled_from(["Run", "Run", "RunPlugin", "RunPlugin", *REQUESTS]))
    request = REQUESTS[method]()
    for field in request.DESCRIPTOR.fields:
        if draw(st.integers(0, 3)) == 0:
            continue
        here = getattr(request, field.name)
        if field.name == "info":
            _inform(draw, here)
        elif field.name == "config":
            here.update({draw(WORDS): draw(WORDS)})
        elif field.type == field.TYPE_STRING and field.label == field.LABEL_REPEATED:
            here.extend(draw(st.lists(WORDS, max_size=2)))
        elif field.type == field.TYPE_STRING:
            setattr(request, field.name, draw(WORDS))
        elif field.type == field.TYPE_INT32:
            setattr(request, field.name, draw(st.sampled_from([0, -1, 1, 4])))
    return method, request.SerializeToString()


def _inform(draw: st.DrawFn, info: Any) -> None:
    info.root_directory, info.program_directory = draw(WORDS), draw(WORDS)
    info.entry_point = draw(WORDS)
    if draw(st.booleans()):
        info.options.update({"virtualenv": draw(st.sampled_from([*TEXTS[:5], 5, None, True, [], {}, "/usr"]))})


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plugin]:
    with a_plugin(("posture.local.plugins", "language"), SERVICE, tmp_path_factory.mktemp("language"), {}) as plugin:
        yield plugin


def test_any_request(host: Plugin) -> None:
    @PROFILE(150)
    @given(requests())
    def holds(request: tuple[str, bytes]) -> None:
        host.answers(*request)

    holds()


def test_bytes_that_are_no_request(host: Plugin) -> None:
    @PROFILE(60)
    @given(st.sampled_from([*REQUESTS, "Cancel", "About"]), st.binary(max_size=60))
    def holds(method: str, request: bytes) -> None:
        host.answers(method, request)

    holds()


@pytest.mark.parametrize("method", ["", "Nothing", "run", "../Run"])
def test_a_method_that_is_none(host: Plugin, method: str) -> None:
    code, _ = host.answers(method, b"")
    assert code is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize("depth", [30, 100, 5_000])
@pytest.mark.parametrize("method", ["Run", "RunPlugin"])
def test_maps_in_maps(host: Plugin, method: str, depth: int) -> None:
    options = nested(depth).partition(b"::a")[2]
    (info,) = (each for each in REQUESTS[method].DESCRIPTOR.fields if each.name == "info")
    number = info.message_type.fields_by_name["options"].number
    content = options[options.index(b"\n") :]
    host.answers(method, _field(info.number, _field(number, content)))


@pytest.mark.parametrize(
    "words", [b"", b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 5_000], ids=["nothing", "HTTP", "anything"]
)
def test_bytes_on_its_port(host: Plugin, words: bytes) -> None:
    with socket.create_connection(("127.0.0.1", host.port), timeout=5) as connection:
        connection.sendall(words)
    host.serves()


def test_a_pack_whose_caller_goes_away_ends(host: Plugin, tmp_path: Path) -> None:
    (tmp_path / "__main__.py").write_text("import time; time.sleep(600)")
    request = language_pb2.RunPluginRequest(kind="analyzer", pwd=str(tmp_path), args=["127.0.0.1:9"], env=["nothing"])
    request.info.program_directory = request.info.root_directory = str(tmp_path)
    code, words = host.answers("RunPlugin", request.SerializeToString())
    assert (code, "ValueError" in words) == (grpc.StatusCode.INVALID_ARGUMENT, True)
    request.env[:] = [f"X={os.getpid()}"]
    code, _ = host.call("RunPlugin", request.SerializeToString(), seconds=3)
    assert code is grpc.StatusCode.DEADLINE_EXCEEDED
    eventually(lambda: not psutil.Process(host.process.pid).children(recursive=True), "the pack still runs")
    host.serves()


def test_a_program_that_ends_its_interpreter_does_not_end_the_host(host: Plugin, tmp_path: Path) -> None:
    (tmp_path / "__main__.py").write_text("raise SystemExit(3)")
    request = language_pb2.RunRequest(
        pwd=str(tmp_path), monitor_address="127.0.0.1:9", program="x", args=["127.0.0.1:9"]
    )
    request.info.program_directory = request.info.root_directory = str(tmp_path)
    request.info.entry_point = "__main__.py"
    host.answers("Run", request.SerializeToString())
