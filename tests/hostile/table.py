"""Hostile input's part of docs/reliability.md."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree as ET

__all__ = ["hostile_section"]

TEXT = """\
## Hostile input

Every file, argument, answer and plugin request may be anything. It is used rightly, or refused in one printable line
with exit 2, in bounded time and memory, and what it says reaches a report as data. `tests/hostile` shows it with
Hypothesis: bombs, deep nesting, tags, odd Unicode, pipes and devices for files, text that means something to Lua, a
shell, HTML, Markdown, CSV or XML. The plugins and the policy pack are asked over real gRPC and must keep serving, in
half a gigabyte each. What nobody foresaw is one line, too; `POSTURE_TRACEBACK=1` shows where.

`make hostile HOSTILE_MINUTES=60` goes on from seed to seed; a failure is repeated with
`HOSTILE_LONG=1 .venv/bin/pytest tests/hostile --hypothesis-seed=SEED`.
"""


def hostile_section() -> str:
    """Run the tests once; nothing where only one fault or switch is asked for."""
    if os.environ.keys() & {"FAULT", "SWITCH"}:
        return ""
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder) / "found.xml"
        command = (sys.executable, "-m", "pytest", "-q", str(Path(__file__).parent), f"--junit-xml={found}")
        subprocess.run(command, stdout=sys.stderr, check=False)
        suite = next(ET.parse(found).getroot().iter("testsuite"))  # noqa: S314 - our own tests wrote it
    failed = int(suite.attrib["failures"]) + int(suite.attrib["errors"])
    result = f"{suite.attrib['tests']} tests in {float(suite.attrib['time']):.0f} s"
    return f"{TEXT}\n{result}, {'❌ ' if failed else ''}{failed} failed.\n"
