"""A process that hostile input is given to: it has seconds and megabytes, and what it says is looked at."""

from __future__ import annotations

import io
import multiprocessing
import os
import resource
import sys
import traceback
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from multiprocessing.connection import Connection

__all__ = ["SECONDS", "Answer", "Sandbox", "posture", "said"]

SECONDS = 5.0
MEGABYTES = 1024
"""Beyond what the process has at its start."""
_GRACE = 4
"""Times the seconds: others use the machine as well."""


class Answer(NamedTuple):
    """What a command line has said: its exit code, and processor seconds."""

    code: int
    out: str
    err: str
    seconds: float


class Sandbox:
    """Runs functions, of modules that are loaded, in a process of its own; one that dies or hangs fails its test."""

    def __init__(self) -> None:
        self._process: Any = None
        self._pipe: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def ask(self, work: Callable[..., Any], *arguments: Any) -> Any:
        """What it returns.

        Raises:
            AssertionError: It raised something, with its traceback; took too long; or took the process with it.
        """
        if self._process is None:
            context = multiprocessing.get_context("fork")
            self._pipe, theirs = context.Pipe()
            self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
            self._process.start()
            theirs.close()
        self._pipe.send((work, arguments))
        if not self._pipe.poll(_GRACE * SECONDS):
            self._end()
            raise AssertionError(f"no answer within {_GRACE * SECONDS:g} s")
        try:
            fine, result = self._pipe.recv()
        except EOFError:
            self._process.join()
            code = self._process.exitcode
            self._end()
            raise AssertionError(f"the process ended with {code}") from None
        assert fine, result
        return result

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._pipe.close()
            self._process = None


def posture(folder: Path, *arguments: str, environment: dict[str, str] | None = None) -> Answer:
    """The `posture` command in a folder, in this process; what isn't its own `SystemExit` comes through."""
    from posture import cli  # noqa: PLC0415 - loaded by who forks

    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="strict") for _ in range(2))
    before = os.times()
    os.chdir(folder)
    os.environ.update({"POSTURE_TRACEBACK": "1", **(environment or {})})
    sys.argv = ["posture", *arguments]
    code = 0
    with redirect_stdout(out), redirect_stderr(err):
        try:
            cli.main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
    after = os.times()
    return Answer(code, _text(out), _text(err), after.user + after.system - before.user - before.system)


def _text(stream: io.TextIOWrapper) -> str:
    stream.seek(0)
    return stream.read()


def said(answer: Answer, allowed: Sequence[int] = (0, 1, 2)) -> Answer:
    """The same, held against what every answer keeps to: an exit code that is known, one line for bad input, in time.

    Of the output, a pipe's reader may be a terminal: nothing in it moves a cursor.
    """
    assert answer.code in allowed, answer
    assert answer.seconds < SECONDS, answer.seconds
    assert "Traceback" not in answer.err, answer.err
    assert "nobody foresaw" not in answer.err, answer.err
    if answer.code == 2:
        assert answer.out == "", answer
        lines = answer.err.split("\n")
        assert len(lines) == 2, answer.err
        assert lines[1] == ""
        assert lines[0].startswith("error: "), answer.err
        assert lines[0].isprintable(), answer.err
        assert len(lines[0]) < 2_000
    return answer


def _serve(pipe: Connection) -> None:
    with suppress(ValueError):  # a hard limit that is lower yet
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + MEGABYTES * 2**20,) * 2)
    while True:
        try:
            work, arguments = pipe.recv()
        except (EOFError, KeyboardInterrupt):
            os._exit(0)
        try:
            result = (True, work(*arguments))
        except BaseException:  # noqa: BLE001 - whatever it is, the test is told
            result = (False, traceback.format_exc())
        pipe.send(result)
