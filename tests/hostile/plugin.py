"""A plugin as the engine starts it, and requests to it that no engine sends."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import grpc  # type: ignore[import-untyped]  # it has no types
import psutil

from tests.bench.figures import peak_megabytes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

__all__ = ["Plugin", "a_plugin"]

_SECONDS = 20
_MEGABYTES = 512


class Plugin:
    """One that runs.

    Args:
        process: Its process.
        port: Of 127.0.0.1.
        service: Such as `pulumirpc.ResourceProvider`.
        log: What it writes to its standard error, which the engine would show.
    """

    def __init__(self, process: subprocess.Popen[str], port: int, service: str, log: Path) -> None:
        self.process = process
        self.port = port
        self._service = service
        self._log = log

    def call(self, method: str, request: bytes, seconds: float = _SECONDS) -> tuple[Any, str]:
        """The status of what it answers (`StatusCode.OK` if it does), and the words of an error."""
        with grpc.insecure_channel(f"127.0.0.1:{self.port}") as channel:
            rpc = channel.unary_unary(f"/{self._service}/{method}")
            try:
                rpc(request, timeout=seconds)
            except grpc.RpcError as error:
                return error.code(), error.details() or ""
        return grpc.StatusCode.OK, ""

    def answers(self, method: str, request: bytes) -> tuple[Any, str]:
        """The same, held against what every answer keeps to: it comes, in one line, and others come after it."""
        code, words = self.call(method, request)
        assert code is not grpc.StatusCode.DEADLINE_EXCEEDED, f"{method} hangs"
        assert words.isprintable(), words
        assert "Traceback" not in words
        assert "<class" not in words
        self.serves()
        return code, words

    def serves(self) -> None:
        assert self.process.poll() is None, f"it ended with {self.process.returncode}: {self.said()}"
        code, words = self.call("GetPluginInfo", b"")
        assert code is grpc.StatusCode.OK, words
        assert "Traceback" not in self.said(), self.said()

    def said(self) -> str:
        return self._log.read_text(errors="replace")


@contextmanager
def a_plugin(words: Sequence[str], service: str, folder: Path, environment: Mapping[str, str]) -> Iterator[Plugin]:
    """One of these words: its module and what it is told beside the engine's address, where nobody is."""
    log = folder / "log"
    command = [sys.executable, "-u", "-P", "-m", *words, "127.0.0.1:9"]
    with (
        log.open("w") as stream,
        subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=stream,
            text=True,
            process_group=0,
        ) as process,
    ):
        try:
            assert process.stdout
            plugin = Plugin(process, int(process.stdout.readline()), service, log)
            plugin.serves()
            yield plugin
            plugin.serves()
            assert not psutil.Process(process.pid).children(recursive=True), "what it started has ended"
            assert peak_megabytes(process.pid) < _MEGABYTES
        finally:
            process.terminate()
            started = time.monotonic()
            process.wait(_SECONDS)
            assert time.monotonic() - started < _SECONDS / 2
