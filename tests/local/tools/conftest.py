"""Tiny tools that are built for real, each with a cache of its own."""

from __future__ import annotations

import io
import json
import socket
import subprocess
import sys
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from posture.local.tools import InstalledTool, Tool, ensure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

HOST = "127.32.0.1"
SLOW = 6000  # functions that keep the compiler busy for some seconds

DRIVER = """
import json, pathlib, sys
from rich.console import Console
from posture.local.tools import Tool, ensure
given = json.loads(sys.argv[1])
tool = Tool(**{**given, "module": pathlib.Path(given["module"])})
print(ensure([tool.name], console=Console(width=300), tools={tool.name: tool})[tool.name].path)
"""


def write_source(module: Path, *, functions: int = 0, go: str = "1.25") -> None:
    """A program that prints its version, and as much beside it as it takes to keep the compiler busy."""
    module.mkdir(exist_ok=True)
    (module / "go.mod").write_text(f"module example.test/tiny\n\ngo {go}\n")
    once = uuid.uuid4().int & 0xFFFFFFFF  # Go has never compiled it before
    body = "s := x; for i := 0; i < x; i++ {{ s += i*{0} + {1}; if s%7 == {0}%7 {{ s ^= x }} }}; return s"
    busy = "".join(f"//go:noinline\nfunc f{i}(x int) int {{ {body.format(i, once)} }}\n" for i in range(functions))
    main = 'func main() { os.Stdout.WriteString("tiny v1.2.3\\n") }\n'
    (module / "main.go").write_text(f'package main\n\nimport "os"\n\n{main}{busy}')


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    directory = tmp_path / "cache"
    monkeypatch.setenv("POSTURE_CACHE_DIR", str(directory))
    return directory


@pytest.fixture
def rewrite() -> Callable[..., None]:
    """Writes the source of a tool anew: slow to compile, or for another Go."""

    def call(tool: Tool, *, slow: bool = False, go: str = "1.25") -> None:
        assert tool.module is not None
        write_source(tool.module, functions=SLOW if slow else 0, go=go)

    return call


@pytest.fixture
def tiny(tmp_path: Path) -> Tool:
    write_source(tmp_path / "tiny")
    return Tool("tiny", "1.2.3", module=tmp_path / "tiny")


@pytest.fixture
def get() -> Callable[[Tool], tuple[InstalledTool, str, float]]:
    """Runs `ensure` for one tool: what there is then, what was said meanwhile, how many seconds it took."""

    def call(tool: Tool) -> tuple[InstalledTool, str, float]:
        text = io.StringIO()
        began = time.monotonic()
        there = ensure([tool.name], console=Console(file=text, width=300), tools={tool.name: tool})
        return there[tool.name], text.getvalue(), time.monotonic() - began

    return call


@pytest.fixture
def start() -> Iterator[Callable[[Tool], subprocess.Popen[str]]]:
    """Runs `ensure` for one tool in another process."""
    started: list[subprocess.Popen[str]] = []

    def call(tool: Tool) -> subprocess.Popen[str]:
        given = {"name": tool.name, "version": tool.version, "module": str(tool.module)}
        process = subprocess.Popen(
            [sys.executable, "-c", DRIVER, json.dumps(given)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        return process

    yield call
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def black_hole() -> Iterator[str]:
    """An address that takes connections and never says a word."""
    with socket.create_server((HOST, 0)) as server:
        yield f"http://{HOST}:{server.getsockname()[1]}"


@pytest.fixture
def serve() -> Iterator[Callable[[bytes, int], str]]:
    """Serves a content at any path, with the length it claims to have; what is missing never comes."""
    servers: list[tuple[ThreadingHTTPServer, threading.Event]] = []

    def call(content: bytes, claimed: int) -> str:
        over = threading.Event()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Length", str(claimed))
                self.end_headers()
                self.wfile.write(content)
                self.wfile.flush()
                if claimed > len(content):
                    over.wait()

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer((HOST, 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append((server, over))
        return f"http://{HOST}:{server.server_address[1]}"

    yield call
    for server, over in servers:
        over.set()
        server.shutdown()
        server.server_close()
