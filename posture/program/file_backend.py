"""The files of a stack in Pulumi's file backend: who is changing it, and what a killed engine or a bad disk has left.

Where they are and how they are written is that of pulumi/pkg v3.259.0, `backend/diy`: each whole, by a rename; but the
`.attrs` beside each in place (gocloud.dev, `blob/fileblob/attrs.go`).
"""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psutil

from posture.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["FileBackend"]

Deployment = dict[str, Any]


@dataclass(frozen=True)
class FileBackend:
    """One stack's part of a file backend.

    Args:
        folder: The backend's folder.
        stack: The stack's name.
    """

    folder: Path
    stack: str

    @property
    def exists(self) -> bool:
        """Whether the stack is known."""
        return any(self._checkpoints())

    def release(self) -> None:
        """Take away the locks whose holders have ended.

        Raises:
            InputError: An engine holds one, and is still at it.
        """
        locks = list(self.folder.glob(f".pulumi/locks/*/*/{self.stack}/*"))
        for holder in map(_holder, locks):
            if holder is not None and self._is_engine(holder):
                raise InputError(f"stack '{self.stack}' is being changed by process {holder}; wait until it ends")
        for lock in locks:  # the engine reads all that is there, half-written ones too
            lock.unlink(missing_ok=True)

    def mend(self, *, replaceable: bool) -> None:
        """Put the last sound checkpoint in the place of a damaged one; what has changed since is found by a refresh.

        Args:
            replaceable: Whether all that the stack has can be declared over what is there. Then a state beyond mending
                is given up, to be made anew, and what a killed engine was about to do is no question to the user.

        Raises:
            InputError: There is no sound one.
        """
        for unfinished in self.folder.rglob("*.tmp"):
            unfinished.unlink(missing_ok=True)
        for sidecar in self.folder.rglob("*.attrs"):
            if not _is_json(sidecar):
                sidecar.unlink(missing_ok=True)  # an engine stops at one ("EOF"), and does without
        for checkpoint in self._checkpoints():
            if _deployment(checkpoint) is None:
                self._replace(checkpoint, begin_anew=replaceable)
            if replaceable and checkpoint.exists():
                _forget_pending(checkpoint)

    def salts(self) -> set[str]:
        """The salts of the passphrase; one, but for a stack of several projects."""
        providers = [deployment.get("secrets_providers") for deployment in self._deployments()]
        return {provider["state"]["salt"] for provider in providers if provider}

    def outputs(self, kind: str) -> list[dict[str, Any]]:
        """The outputs of the resources of a type, as of the last `up` or refresh."""
        return [
            resource["outputs"]
            for deployment in self._deployments()
            for resource in deployment.get("resources") or ()
            if resource["type"] == kind and resource.get("outputs")
        ]

    def _deployments(self) -> Iterator[Deployment]:
        return (found for file in self._checkpoints() if (found := _deployment(file)) is not None)

    def _checkpoints(self) -> list[Path]:
        return list(self.folder.glob(f".pulumi/stacks/*/{self.stack}.json"))

    def _replace(self, checkpoint: Path, *, begin_anew: bool) -> None:
        """By the newest of the one before, which the engine keeps (`backupTarget`), and those of the ends of `up`s."""
        history = self.folder.glob(f".pulumi/history/*/{self.stack}/{self.stack}-*.checkpoint.json")
        before = checkpoint.parent.glob(f"{checkpoint.name}.bak")
        earlier = sorted([*before, *history], key=lambda file: file.stat().st_mtime_ns, reverse=True)
        sound = next((file for file in earlier if _deployment(file) is not None), None)
        if sound is None and not begin_anew:
            raise InputError(
                f"the state in {checkpoint} is damaged, and so is all that it was before; put a copy of yours there"
            )
        damaged = checkpoint.with_name(f"{checkpoint.name}.damaged")
        checkpoint.replace(damaged)
        checkpoint.with_name(f"{checkpoint.name}.attrs").unlink(missing_ok=True)  # it has the sum of what was there
        if sound is not None:
            shutil.copy(sound, checkpoint)
        going_on = f"from the newest that is sound, {sound.name}" if sound else "from an empty one"
        sys.stderr.write(
            f"warning: the state in {checkpoint} is damaged, and kept as {damaged.name}; going on {going_on}\n"
        )

    def _is_engine(self, pid: int) -> bool:
        """Whether a process is an engine at this backend, and not another that got its number after it."""
        here = self.folder.as_uri()
        try:
            process = psutil.Process(pid)
            return process.name() == "pulumi" and process.environ().get("PULUMI_BACKEND_URL", here) == here
        except psutil.NoSuchProcess:
            return False
        except psutil.AccessDenied:
            return True


def _holder(lock: Path) -> int | None:
    """Who wrote it; None if nobody can be read from it, or it has just gone."""
    try:
        return int(json.loads(lock.read_text())["pid"])
    except (FileNotFoundError, ValueError, TypeError, LookupError, RecursionError):
        return None


def _deployment(checkpoint: Path) -> Deployment | None:
    """What a checkpoint has of its stack; None if it is none."""
    try:
        latest = json.loads(checkpoint.read_text())["checkpoint"]["latest"]
        kinds = [resource["type"] for resource in latest.get("resources") or ()]
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return None
    return dict(latest) if all(isinstance(kind, str) for kind in kinds) else None


def _forget_pending(checkpoint: Path) -> None:
    """The operations that were cut short; the engine would warn of them for ever ("interrupted while creating")."""
    held = json.loads(checkpoint.read_text())
    if held["checkpoint"]["latest"].pop("pending_operations", None):
        whole = checkpoint.with_name(f"{checkpoint.name}.mended.tmp")
        whole.write_text(json.dumps(held))
        whole.replace(checkpoint)
        checkpoint.with_name(f"{checkpoint.name}.attrs").unlink(missing_ok=True)


def _is_json(file: Path) -> bool:
    try:
        json.loads(file.read_text())
    except (ValueError, RecursionError):
        return False
    return True
