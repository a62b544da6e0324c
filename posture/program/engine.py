"""Runs the real Pulumi engine on a stack, from outside of the program.

A file backend and a passphrase serve a stack that lives on this machine. The salt that goes with the passphrase stays
in the state: the engine would write it into the committed `Pulumi.STACK.yaml`, so it gets a copy of that to write to.
"""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import IO, TYPE_CHECKING, Any

from posture.errors import InputError
from posture.model.yaml_reader import read_text
from posture.program.file_backend import FileBackend

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from types import FrameType

__all__ = ["ONE_CHECKPOINT", "Engine", "EngineError"]

ONE_CHECKPOINT = {"PULUMI_SKIP_CHECKPOINTS": "true"}
"""Has an engine write its state at its end alone (pulumi/pkg v3.259.0, `backend/snapshot.go`), not twice a resource."""


_SEALED = re.compile(r"""\bsecure["']?\s*:""")
"""A secret in a configuration, which opens with the salt beside it alone."""


class EngineError(Exception):
    """The engine ended with an error that it has shown already; ``args[0]`` is what to do next."""


@dataclass(frozen=True)
class Engine:
    """The `pulumi` command for one stack.

    Args:
        pulumi: The program.
        project: The project's folder.
        stack: The stack's name.
        state: The folder of the stack's own file backend.
        environment: The whole of its environment.
        own_backend: Whether that backend is used, and not one that the user has chosen.
        replaceable: Whether a state that is lost can be made anew by declaring everything over what is there.
    """

    pulumi: Path
    project: Path
    stack: str
    state: Path
    environment: Mapping[str, str]
    own_backend: bool = True
    replaceable: bool = False

    @property
    def backend(self) -> FileBackend:
        """The stack's own backend, to be read."""
        return FileBackend(self.state, self.stack)

    def prepare(self) -> None:
        """Make the stack known to the backend, release a lock whose holder is dead, mend what a killed engine has left.

        Raises:
            InputError: Somebody else changes the stack, or its checkpoint is damaged beyond what it was before.
        """
        self.state.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not self.own_backend:
            self._run("stack", "select", "--create", self.stack, captured=True)
            return
        self.backend.release()
        self.backend.mend(replaceable=self.replaceable)
        if not self.backend.exists:
            # In a folder of its own: `stack init` would write a salt into the committed Pulumi.STACK.yaml.
            with tempfile.TemporaryDirectory(dir=self.state) as scratch:
                shutil.copy(self.project / "Pulumi.yaml", scratch)
                self._run("stack", "init", self.stack, "--cwd", scratch, "--non-interactive", captured=True)

    def configure(self, values: Mapping[str, str]) -> None:
        """Write values into `Pulumi.STACK.yaml`; its comments stay."""
        pairs = [part for key, value in values.items() for part in ("--plaintext", f"consul-posture:{key}={value}")]
        self._run("config", "set-all", "--stack", self.stack, *pairs, captured=True)

    def up(self, *, preview: bool = False, refresh: bool = False) -> None:
        """Apply the program; the engine shows its progress itself.

        Where a state that is lost can be made anew it is written once, at the end: see docs/adr/0015.

        Args:
            preview: Whether the engine looks at everything before it changes anything.
            refresh: Whether it first reads anew what is there, which others may have changed.

        Raises:
            EngineError: The engine failed; what it has done stays, and the next `up` goes on from there.
            InputError: The passphrase does not open the state.
        """
        configuration = self._configuration()
        if preview:
            self._run("preview", "--stack", self.stack, *configuration, so_far="nothing was changed")
        refreshing = ["--refresh"] if refresh else []
        recording = {**(ONE_CHECKPOINT if self.replaceable else {}), **self.environment}
        applying = replace(self, environment=recording)
        applying._run("up", "--stack", self.stack, "--yes", "--skip-preview", *refreshing, *configuration)  # noqa: SLF001 - a copy

    def preview(self, *options: str) -> str:
        """The engine's words on what an `up` would change; nothing is changed.

        Raises:
            EngineError: The engine failed.
            InputError: The passphrase does not open the state.
        """
        # The log of events is an option of debugging commands, as for the SDK's automation.
        debugging = replace(self, environment={**self.environment, "PULUMI_DEBUG_COMMANDS": "true"})
        arguments = ("preview", "--stack", self.stack, "--diff", "--non-interactive", "--color", "never")
        return debugging._run(*arguments, *self._configuration(), *options, captured=True)  # noqa: SLF001 - a copy

    def destroy(self) -> None:
        """Delete all that the stack has, asking the program's hooks first, then forget the stack.

        Raises:
            EngineError: The engine failed, or a hook of the program refused; the next one goes on from there.
        """
        configuration = self._configuration_copy()
        # What keeps an `up` from being half-applied, such as a missing certificate, must not keep anything from ending.
        unchecked = "consul-posture:clusterChecks=false"
        self._run("config", "set-all", "--stack", self.stack, "--plaintext", unchecked, *configuration, captured=True)
        self._run("destroy", "--stack", self.stack, "--yes", "--skip-preview", "--run-program", *configuration)
        self._run("stack", "rm", self.stack, "--yes", "--preserve-config", captured=True)

    def _configuration(self) -> list[str]:
        """Which configuration to use; with our own backend a copy, for the engine would write a salt into the file."""
        return self._configuration_copy() if self.own_backend else []

    def _configuration_copy(self) -> list[str]:
        configuration = self.project / f"Pulumi.{self.stack}.yaml"
        text = read_text(configuration)
        lines = text.splitlines(keepends=True)
        bare = "".join(line for line in lines if not line.startswith("encryptionsalt:"))
        # The engine asks whether the passphrase fits only where it finds a salt. The file's counts where it has sealed
        # something; else it may be of another clone, whose passphrase isn't here.
        if self.own_backend and (bare == text or not _SEALED.search(text)):
            text = bare + "".join(f"\nencryptionsalt: {salt}\n" for salt in self.backend.salts())
        self.state.mkdir(parents=True, exist_ok=True)
        copy = self.state / configuration.name
        copy.write_text(text)
        return ["--config-file", str(copy)]

    def outputs(self) -> dict[str, Any]:
        """The outputs of the last `up`; none before the first.

        Raises:
            EngineError: The backend does not say.
            InputError: The passphrase does not open the state.
        """
        if self.own_backend and not self.backend.exists:
            return {}
        try:
            answer = self._run("stack", "output", "--json", "--stack", self.stack, captured=True)
        except EngineError as error:
            if f"no stack named '{self.stack}' found" in str(error):  # pulumi/pkg v3.259.0, `StackNotFoundError`
                return {}
            raise
        return dict(json.loads(answer or "{}"))

    @staticmethod
    def forget_salt(project: Path, stack: str, state: Path) -> None:
        """Take the salt that plain `pulumi` wrote out of `Pulumi.STACK.yaml`; its passphrase is about to go."""
        file = project / f"Pulumi.{stack}.yaml"
        salts = FileBackend(state, stack).salts()
        lines = read_text(file).splitlines(keepends=True)
        kept = [line for line in lines if line.removeprefix("encryptionsalt:").strip() not in salts]
        if kept != lines:
            file.write_text("".join(kept))

    def _run(self, *arguments: str, captured: bool = False, so_far: str = "") -> str:
        cwd = [] if "--cwd" in arguments else ["--cwd", str(self.project)]
        process = subprocess.Popen(
            [self.pulumi, *arguments, *cwd],
            env=dict(self.environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if captured else None,
            stderr=subprocess.PIPE,
            text=True,
            process_group=0,  # so that one Ctrl-C reaches it once, from us: a second would make it drop its state
        )
        errors: list[str] = []
        watcher = threading.Thread(target=_copy, args=(process.stderr, errors, None if captured else sys.stderr))
        watcher.start()
        with _interrupts_sent_to(process) as interrupted:
            output = process.stdout.read() if process.stdout else ""
            status = process.wait()
        watcher.join()
        if interrupted:
            raise KeyboardInterrupt
        if status == 0:
            return output
        said = "".join(errors)
        if "incorrect passphrase" in said:
            raise InputError(
                f"the passphrase does not open the state of stack '{self.stack}'; "
                "set PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE to the one it was made with"
            )
        if captured:
            errors = [line.removeprefix("error: ").strip() for line in errors if line.startswith("error: ")]
            raise EngineError("; ".join(errors) or f"pulumi {arguments[0]} ended with status {status}")
        so_far = so_far or f"stack '{self.stack}' may be changed in part"
        if status < 0:
            print(flush=True)  # noqa: T201 - it was ended in the middle of a line
            raise EngineError(f"the engine was ended by {signal.Signals(-status).name}: {so_far}; run this again")
        raise EngineError(f"{so_far}; mend what is said above, then run this again")


@contextmanager
def _interrupts_sent_to(process: subprocess.Popen[str]) -> Iterator[list[int]]:
    """Pass Ctrl-C and termination on to the engine, which then tidies up, and go on waiting for it."""
    received: list[int] = []

    def forward(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        process.send_signal(signal.SIGINT)

    before = {number: signal.signal(number, forward) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _copy(source: IO[str] | None, kept: list[str], shown: IO[str] | None) -> None:
    for line in source or ():
        kept.append(line)
        if shown:
            shown.write(line)
            shown.flush()
