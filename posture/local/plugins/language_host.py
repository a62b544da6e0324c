"""The Python language host, where the official one is absent: runs `__main__.py` and Python policy packs.

Most of it is the SDK's own server for inline programs (`pulumi.automation`). The program runs in this process,
which the engine starts anew for each preview and each update. A program that names another virtualenv is handed to
a second host under that virtualenv's interpreter, so this file imports nothing but the SDK.
"""

from __future__ import annotations

import os
import queue
import runpy
import signal
import subprocess
import sys
import threading
import traceback
from concurrent import futures
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import grpc  # type: ignore[import-untyped]  # it has no types
import pulumi
from google._upb import _message as protobuf  # type: ignore[import-untyped]  # as above
from pulumi.automation._server import LanguageServer
from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["LanguageHost", "main"]

_OPTIONS = [("grpc.max_receive_message_length", 400 * 1024 * 1024)]  # the engine's own limit
_STREAMS = ("stdout", "stderr")
_LONGEST = 1000  # characters of an error; gRPC sends it in a header


class LanguageHost(LanguageServer):
    """Answers the engine's questions about Python programs (`language.proto`)."""

    def __init__(self) -> None:
        super().__init__(lambda: None)

    def Handshake(self, _request: Any, _context: Any) -> Any:  # noqa: ANN401, N802 - gRPC's names, which have no types
        """Greet the engine."""
        return language_pb2.LanguageHandshakeResponse()

    def GetPluginInfo(self, _request: Any, _context: Any) -> Any:  # noqa: ANN401, N802
        """Return the version of the SDK, which an official host shares."""
        return plugin_pb2.PluginInfo(version=metadata.version("pulumi"))

    def Run(self, request: Any, context: Any) -> Any:  # noqa: ANN401, N802
        """Run the program; what it raises has been shown to the user when this returns, as `bail` says."""
        python = _interpreter(request.info)
        if python is not None:
            return _run_under(python, request, context)
        program = Path(request.info.program_directory, request.info.entry_point)
        os.chdir(request.pwd)
        sys.argv = [str(program), *request.args]
        self.program = lambda: _run(program)
        response = super().Run(request, context)  # type: ignore[no-untyped-call]  # neither has the SDK's server
        return language_pb2.RunResponse(bail=True) if response.error else response

    def RunPlugin(self, request: Any, context: Any) -> Iterator[Any]:  # noqa: ANN401, N802
        """Run a policy pack and pass on what it prints."""
        if request.kind != "analyzer":
            context.abort(
                grpc.StatusCode.UNIMPLEMENTED, f"Python plugins of kind {request.kind!r} need the official host"
            )
        python = _interpreter(request.info) or sys.executable
        with subprocess.Popen(
            [python, "-u", "-m", "pulumi.policy", *request.args, request.info.program_directory],
            cwd=request.pwd,
            env={**os.environ, **dict(pair.split("=", 1) for pair in request.env)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            context.add_callback(process.terminate)
            output: queue.SimpleQueue[Any] = queue.SimpleQueue()
            for name in _STREAMS:
                threading.Thread(target=_forward, args=(getattr(process, name), name, output), daemon=True).start()
            for _ in _STREAMS:
                yield from iter(output.get, None)
            yield language_pb2.RunPluginResponse(exitcode=process.wait())


class _FailuresInOneLine(grpc.ServerInterceptor):  # type: ignore[misc]  # grpc has no types
    """Answers a request that nothing can be made of with one line; gRPC would print a traceback."""

    def intercept_service(self, continuation: Any, details: Any) -> Any:  # noqa: ANN401 - as above
        handler = continuation(details)
        if handler is None:
            return None

        def answer(request: bytes, context: Any) -> Any:  # noqa: ANN401
            with _said_to(context, details.method):
                return handler.unary_unary(handler.request_deserializer(request), context)

        def stream(request: bytes, context: Any) -> Iterator[Any]:  # noqa: ANN401
            with _said_to(context, details.method):
                yield from handler.unary_stream(handler.request_deserializer(request), context)

        if handler.unary_unary is not None:
            return grpc.unary_unary_rpc_method_handler(answer, None, handler.response_serializer)
        return grpc.unary_stream_rpc_method_handler(stream, None, handler.response_serializer)


@contextmanager
def _said_to(context: Any, method: str) -> Iterator[None]:  # noqa: ANN401
    try:
        yield
    except NotImplementedError as failure:
        context.abort(grpc.StatusCode.UNIMPLEMENTED, str(failure))
    except Exception as failure:
        if context.code() is not None:  # it has been said already
            raise
        words = f"can't make anything of this {method.rpartition('/')[2]}: {type(failure).__name__}: {failure}"
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, " ".join(words.split())[:_LONGEST])


def main() -> None:
    """Serve on a free port of 127.0.0.1, printed to stdout as the engine expects, until interrupted."""
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # stdout is a text file here
    # The SDK takes away protobuf's limit of a hundred messages in each other, and some ten thousand end the process.
    protobuf.SetAllowOversizeProtos(False)  # noqa: FBT003 - its signature
    workers = futures.ThreadPoolExecutor(max_workers=4)
    server = grpc.server(workers, interceptors=[_FailuresInOneLine()], options=_OPTIONS)
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(LanguageHost(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port)  # noqa: T201 - the engine reads the port from our stdout
    try:
        server.wait_for_termination()
    except KeyboardInterrupt:
        os._exit(0)  # a program that is still running holds threads; the engine has already let go of it


def _run(program: Path) -> None:
    try:
        runpy.run_path(str(program), run_name="__main__")
    except pulumi.RunError:
        raise
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        own = next((number for number, frame in enumerate(frames) if Path(frame.filename).is_relative_to(program)), 0)
        trace = "".join(traceback.format_exception(error, limit=own - len(frames)))
        raise pulumi.RunError(f"Program failed with an unhandled exception:\n{trace}") from error


def _interpreter(info: Any) -> str | None:  # noqa: ANN401
    """Return the interpreter of the virtualenv that the project names, or None if ours will do.

    A virtualenv that isn't there is no reason to fail: ours has the SDK. That lets a bare checkout be previewed.
    """
    name = dict(info.options).get("virtualenv", "")
    virtualenv = Path(info.root_directory, name)
    python = virtualenv / "bin" / "python"
    if not name or not python.exists() or virtualenv.resolve() == Path(sys.prefix).resolve():
        return None
    return str(python)


def _run_under(python: str, request: Any, context: Any) -> Any:  # noqa: ANN401
    """Pass the request to a host under another interpreter, and what that prints to the engine."""
    with subprocess.Popen([python, "-P", __file__], stdout=subprocess.PIPE, text=True) as host:
        context.add_callback(host.terminate)
        port = host.stdout.readline().strip()  # type: ignore[union-attr]  # it is a pipe
        printing = threading.Thread(target=sys.stdout.writelines, args=(host.stdout,), daemon=True)
        printing.start()
        try:
            with grpc.insecure_channel(f"127.0.0.1:{port}", options=_OPTIONS) as channel:
                return language_pb2_grpc.LanguageRuntimeStub(channel).Run(request)
        finally:
            host.send_signal(signal.SIGINT)
            printing.join()


def _forward(stream: IO[bytes], name: str, output: queue.SimpleQueue[Any]) -> None:
    for line in stream:
        output.put(
            language_pb2.RunPluginResponse(stdout=line)
            if name == "stdout"
            else language_pb2.RunPluginResponse(stderr=line)
        )
    output.put(None)


if __name__ == "__main__":
    main()
