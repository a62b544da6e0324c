"""A service that fails at will: while a file in a folder is named as its version, it answers 503 to all but /health."""

from __future__ import annotations

import os
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

FOLDER, VERSION = Path(sys.argv[1]), os.environ["SERVICE_VERSION"]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        broken = self.path != "/health" and (FOLDER / VERSION).exists()
        self.send_response(HTTPStatus.SERVICE_UNAVAILABLE if broken else HTTPStatus.OK)
        self.send_header("Content-Length", str(len(VERSION)))
        self.end_headers()
        self.wfile.write(VERSION.encode())

    def log_message(self, *_: object) -> None:
        """Nothing: there is a request every second."""


ThreadingHTTPServer((os.environ["LISTEN_ADDRESS"], int(os.environ["LISTEN_PORT"])), Handler).serve_forever()
