"""Load by Fortio: what it sends and what comes of it, as a whole or request by request."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posture.local.errors import MeshError
from posture.verify.target import Offered, Reply

if TYPE_CHECKING:
    from posture.verify.target import Pace

__all__ = ["load", "offer"]

_NANOSECONDS = 1e9


def load(fortio: Path, *arguments: str) -> dict[str, Any]:
    """The JSON result of `fortio load`.

    Raises:
        MeshError: Fortio's own words.
    """
    command = [str(fortio), "load", "-quiet", "-json", "-", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise MeshError("fortio failed", tuple(done.stderr.splitlines()))
    return dict(json.loads(done.stdout))


def offer(fortio: Path, pace: Pace, folder: Path, *arguments: str) -> Offered:
    """Send requests at a pace and note each; before the first, each connection sends one that is not noted.

    Fortio's own client closes a connection on any answer but 200; the standard one keeps it, as callers do.

    Raises:
        MeshError: Fortio's own words.
    """
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        log = Path(scratch) / "requests.json"
        options = (
            *("-stdclient", "-nocatchup", "-uniform", "-allow-initial-errors", "-timeout", "5s", "-X", pace.method),
            *("-c", str(pace.connections), "-qps", f"{pace.per_second:g}", "-t", f"{pace.seconds:g}s"),
            *("-access-log-file", str(log), "-access-log-format", "json"),
        )
        begun = time.time()
        load(fortio, *options, *arguments)
        lines = [json.loads(line) for line in log.read_text().splitlines()]
    replies = [Reply(line["timestamp"] / _NANOSECONDS, line["latency"], _status(line["details"])) for line in lines]
    return Offered(begun, tuple(sorted(replies)), pace.connections)


def _status(details: str) -> int | None:
    return int(details) if details.isdigit() else None
