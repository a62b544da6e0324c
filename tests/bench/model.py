"""The access model, on made applications: each size in a process of its own, so that its memory can be told.

`python -m tests.bench.model SIZE` answers with JSON: seconds, and the process's own peak in megabytes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import timeit
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from policies.judging import Pack, judge
from policies.reading import of_log
from policies.view import Stack
from posture.garbage import collect_seldom
from posture.model.access import Access, Request
from posture.model.application import load_application
from posture.model.difference import compare
from posture.model.entries import compile_entries
from posture.model.matrix import matrix
from posture.model.posture import load_posture
from tests.bench.figures import Row, peak_megabytes, timed
from tests.bench.made import made_application, made_posture, write_project

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from posture.model.application import Application

__all__ = ["measured", "model_rows"]

SERVICES, DECISIONS = 1000, 50_000
ROUNDS, SECONDS = 3, 1.0


def model_rows() -> Iterator[Row]:
    """A decision, and listing a matrix cell by cell, which are as many as callers times requests."""
    application = made_application(SERVICES)
    access = Access(compile_entries(application, made_posture(application, "reading")))
    caller, service = next(iter(application.services.items()))
    call = service.calls[0]
    requests = [Request(caller, call.to, "GET", call.path), Request(caller, call.to, "POST", f"/a/..{call.path}?x=1")]
    slowest = max(timeit.timeit(partial(access.decide, r), number=DECISIONS) / DECISIONS for r in requests)
    yield Row("a decision", f"{slowest * 1e6:.1f} µs", goal="≤ 10 µs")

    cells = 0

    def list_all() -> None:
        nonlocal cells
        cells = sum(1 for _ in matrix(Access(access.entries), application).cells())

    seconds = timed(list_all)
    yield Row(f"matrix of {SERVICES:,} services: {cells:,} cells, one by one", f"{seconds:.1f} s", goal="≤ 5 s")


def measured(size: int) -> dict[str, float]:
    """What this module answers for a size."""
    command = [sys.executable, "-m", __name__, str(size)]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


def _measure(size: int) -> dict[str, float]:
    application = made_application(size)
    seconds = {}
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        write_project(project, application)

        def read() -> None:
            read_again = load_application(project / "apps" / "made.yaml")
            load_posture(project / "stacks", "reading", read_again)

        seconds["reading the files"] = _best(read)
    reading, writing = (made_posture(application, name) for name in ("reading", "writing"))
    seconds["compiling"] = _best(lambda: compile_entries(application, reading))
    before, after = (compile_entries(application, each) for each in (reading, writing))
    seconds["a matrix"] = _best(lambda: matrix(Access(before), application))
    seconds["difference of two postures"] = _best(
        lambda: compare(application, ("a", Access(before)), ("b", Access(after)))
    )
    logged_inputs = [{"kind": each.kind, "name": each.name, "configJson": each.json} for each in before]
    seconds["policies in it"] = _best(lambda: _judged(logged_inputs, application))
    return seconds | {"peak memory of the model": peak_megabytes(os.getpid())}


def _judged(inputs: Iterable[dict[str, Any]], application: Application) -> object:
    """All rules on resources as the engine's log of events has them, which is what `posture preview` does."""
    resources = tuple(of_log("consul:ConfigEntry", each["name"], each) for each in inputs)
    return judge(Stack(resources, application), Pack())


def _best(work: Callable[[], object]) -> float:
    """Of three rounds, and of more for a second, for whatever else runs can only add to it."""
    rounds = [timed(work)]
    while len(rounds) < ROUNDS or sum(rounds) < SECONDS:
        rounds.append(timed(work))
    return min(rounds)


if __name__ == "__main__":
    collect_seldom()  # as a command does
    print(json.dumps(_measure(int(sys.argv[1]))))  # noqa: T201 - the answer of this command
