"""Keeps a stack's processes under one supervisord, a daemon that outlives the command that started it.

Nothing is restarted behind anybody's back: a program that ends stays dead, with its exit and its log, until a command
starts it again. The children die with supervisord, however it dies (see `tether`). Supervisord's socket is addressed
through `/proc/self/fd`, for a socket's path may have 107 bytes only (unix(7)) and a project's may be longer. All
processes carry the stack's folder in their environment, so that they are found whatever has become of supervisord.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import subprocess
import sys
from collections import deque
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal
from xmlrpc.client import Fault, ServerProxy

import psutil
from supervisor.states import ProcessStates  # type: ignore[import-untyped] # ships no types
from supervisor.xmlrpc import Faults, SupervisorTransport  # type: ignore[import-untyped] # ships no types

from posture.local import tether
from posture.local.errors import MeshError
from posture.local.private import make_private, write_private

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

__all__ = ["ProcessStatus", "Program", "Supervisor"]

_MARK = "POSTURE_STATE"
_SECRET_VARIABLES = ("CONSUL_", "PULUMI_")
_LOG_LINES = 15
_GO_CRASH, _GO_CRASH_BEGINS = 2, ("panic: ", "fatal error: ")  # exit status and first words: Go's runtime/panic.go
_STOP_WAIT = 5
_NONE_TO_STOP = {Faults.NOT_RUNNING, Faults.BAD_NAME, Faults.SHUTDOWN_STATE}
_CONFIG = """\
; {fingerprint}
[supervisord]
logfile=log/supervisord.log
logfile_maxbytes=1MB
logfile_backups=1
pidfile=supervisord.pid
childlogdir=log
umask=077
minfds=256

[unix_http_server]
file=/proc/self/cwd/supervisor.sock
chmod=0600

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
"""
_PROGRAM = """
[program:{name}]
command={python} -I -S {tether} {name}
autostart=false
autorestart=false
startsecs=0
startretries=0
stopwaitsecs={wait}
stopasgroup=true
killasgroup=true
redirect_stderr=true
stdout_logfile=log/{name}.log
stdout_logfile_maxbytes=5MB
stdout_logfile_backups=1
"""


@dataclass(frozen=True)
class Program:
    """What to run: the command's first word is looked up on PATH; the environment is added to the caller's."""

    command: tuple[str, ...]
    directory: Path
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ProcessStatus:
    """One of a stack's processes.

    Args:
        state: `dead` if it ended by itself, `stopped` if it was told to or was never started.
        since: When it came to that state; None if it never ran.
        exit: How it died, as "exit status 1" or "terminated by SIGKILL".
        log: What a dead process's log says of its end, oldest line first.
    """

    name: str
    state: Literal["running", "stopped", "dead"]
    pid: int | None = None
    since: datetime | None = None
    exit: str | None = None
    log: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.name} {f'died ({self.exit})' if self.state == 'dead' else f'is {self.state}'}"


class Supervisor:
    """The supervisord of one stack.

    Args:
        state: The stack's folder, where all of supervisord's own files are.
        programs: What it is to run, by name. A change of them takes effect at the next `launch`.
    """

    def __init__(self, state: Path, programs: Mapping[str, Program]) -> None:
        self._state = state
        self._programs = programs

    def launch(self) -> bool:
        """Have a supervisord with these programs, none of them started; end one that has others.

        Returns:
            Whether a new one was launched: then nothing of the stack is running.

        Raises:
            MeshError: Supervisord's own words, if it does not start.
        """
        programs = json.dumps({name: _as_json(program) for name, program in self._programs.items()}, indent=1)
        config = self._config(programs)
        file = self._state / "supervisord.conf"
        if self._answers() and file.exists() and file.read_text() == config:
            return False
        self.stop()
        for folder in (self._state.parent, self._state, self._state / "log"):
            make_private(folder)
        write_private(self._state / "programs.json", programs)
        write_private(file, config)
        (self._state / "supervisor.sock").unlink(missing_ok=True)  # of a machine that was switched off
        environment = {name: value for name, value in os.environ.items() if not name.startswith(_SECRET_VARIABLES)} | {
            _MARK: str(self._state)
        }
        command = [sys.executable, "-m", "supervisor.supervisord", "-c", file.name]
        done = subprocess.run(command, cwd=self._state, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise MeshError("supervisord did not start", tuple(done.stderr.splitlines()))
        return True

    def start(self, *names: str) -> list[str]:
        """Start the programs that do not run; whether they stay is for `statuses` to tell.

        Returns:
            The names of those that were started.
        """
        started = []
        with self._connect() as supervisor:
            for name in names:
                try:
                    supervisor.startProcess(name, False)  # noqa: FBT003 - XML-RPC has positions only
                except Fault as fault:
                    if fault.faultCode == Faults.ALREADY_STARTED:
                        continue
                    if fault.faultCode != Faults.SPAWN_ERROR:  # it has died already
                        raise
                started.append(name)
        return started

    def end(self, *names: str) -> None:
        """Stop programs, whether they run or not; returns when they have ended.

        Supervisord may be an earlier one that doesn't have them, or about to end, or gone: then it has none to stop.
        """
        with suppress(OSError), self._connect() as supervisor:
            for name in names:
                try:
                    supervisor.stopProcess(name)
                except Fault as fault:
                    if fault.faultCode not in _NONE_TO_STOP:
                        raise

    def statuses(self) -> tuple[ProcessStatus, ...]:
        """Each program's status, in the order of the programs."""
        try:
            with self._connect() as supervisor:
                supervisor.getState()  # has it notice who has ended
                infos = {info["name"]: info for info in supervisor.getAllProcessInfo()}
        except (OSError, Fault):  # none, or one that is about to end
            infos = {}
        return tuple(
            self._status(infos[name]) if name in infos else ProcessStatus(name, "stopped") for name in self._programs
        )

    def stop(self) -> None:
        """End supervisord and every process of the stack, and return when they are gone.

        Works as well when supervisord was killed or the files were deleted: processes are found by their mark.
        """
        processes = self.processes()
        try:
            with self._connect() as supervisor:
                supervisor.stopAllProcesses()
                supervisor.shutdown()
        except (OSError, Fault):
            for process in processes:
                _signal(process, "terminate")
        _, stubborn = psutil.wait_procs(processes, timeout=_STOP_WAIT + 3)
        for process in {*stubborn, *self.processes()}:
            _signal(process, "kill")
        psutil.wait_procs(stubborn, timeout=_STOP_WAIT)
        for name in ("supervisor.sock", "supervisord.pid"):
            (self._state / name).unlink(missing_ok=True)

    def processes(self) -> list[psutil.Process]:
        """Supervisord and all its descendants, found by what their environment says."""
        return [process for process in psutil.process_iter() if _mark(process) == str(self._state)]

    def _last_words(self, name: str, exit_status: int) -> tuple[str, ...]:
        """What a program has written about its end: its last lines, or those that begin the last report of a crash.

        A crashed Go program, as Consul is one, tells the cause first, then all that its goroutines were at.
        """
        file = self._state / "log" / f"{name}.log"
        if exit_status == _GO_CRASH:
            lines = _last_lines(file, None)
            crashes = [at for at, line in enumerate(lines) if line.startswith(_GO_CRASH_BEGINS)]
            if crashes:
                return lines[crashes[-1] :][:_LOG_LINES]
        return _last_lines(file, _LOG_LINES)

    def _config(self, programs: str) -> str:
        python, script = (_quote(path) for path in (sys.executable, tether.__file__))
        sections = [
            _PROGRAM.format(name=name, python=python, tether=script, wait=_STOP_WAIT) for name in self._programs
        ]
        return _CONFIG.format(fingerprint=hashlib.sha256(programs.encode()).hexdigest()) + "".join(sections)

    def _status(self, info: Mapping[str, Any]) -> ProcessStatus:
        name, state = info["name"], info["state"]
        if state in {ProcessStates.RUNNING, ProcessStates.STARTING, ProcessStates.STOPPING}:
            return ProcessStatus(name, "running", info["pid"], datetime.fromtimestamp(info["start"], UTC))
        since = datetime.fromtimestamp(info["stop"], UTC) if info["stop"] else None
        if state == ProcessStates.STOPPED:
            return ProcessStatus(name, "stopped", since=since)
        return ProcessStatus(
            name, "dead", since=since, exit=self._exit(name, info), log=self._last_words(name, info["exitstatus"])
        )

    def _exit(self, name: str, info: Mapping[str, Any]) -> str:
        """How a program died: the XML-RPC does not tell the signal, supervisord's log does."""
        said = re.compile(rf"exited: {re.escape(name)} \((.*); (?:not )?expected\)")
        for line in reversed(_last_lines(self._state / "log" / "supervisord.log", 200)):
            if match := said.search(line):
                return match[1]
        return str(info["spawnerr"] or f"exit status {info['exitstatus']}")

    def _answers(self) -> bool:
        try:
            with self._connect() as supervisor:
                return bool(supervisor.getState()["statename"] == "RUNNING")
        except (OSError, Fault):
            return False

    @contextmanager
    def _connect(self) -> Iterator[Any]:
        folder = os.open(self._state, os.O_PATH | os.O_DIRECTORY)
        try:
            transport = SupervisorTransport(serverurl=f"unix:///proc/self/fd/{folder}/supervisor.sock")
            with ServerProxy("http://localhost", transport=transport) as server:
                yield server.supervisor
        finally:
            os.close(folder)


def _as_json(program: Program) -> dict[str, object]:
    return {
        "command": program.command,
        "directory": str(program.directory),
        "environment": dict(program.environment),
    }


def _quote(path: str) -> str:
    """A path for a supervisord `command`: split like a shell's, `%` interpolated, ` ;` and ` #` begin comments."""
    quoted = shlex.quote(path).replace("%", "%%")
    return quoted.replace(";", "'\";\"'").replace("#", "'\"#\"'")


def _mark(process: psutil.Process) -> str | None:
    try:
        return process.environ().get(_MARK)
    except (psutil.Error, OSError):  # another user's, or gone
        return None


def _signal(process: psutil.Process, how: Literal["terminate", "kill"]) -> None:
    with suppress(psutil.NoSuchProcess):
        getattr(process, how)()


def _last_lines(file: Path, count: int | None) -> tuple[str, ...]:
    try:
        with file.open(errors="replace") as stream:
            return tuple(line.rstrip() for line in deque(stream, count))
    except FileNotFoundError:
        return ()
