"""One command at a time changes a stack; the kernel frees the lock however its holder ends."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from posture.errors import InputError
from posture.local.private import make_private

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["exclusively"]


@contextmanager
def exclusively(state: Path, stack: str) -> Iterator[None]:
    """Have a stack for as long as the block runs.

    Args:
        state: The folder of its files; the lock is in there, with the number of the process that has it.
        stack: Its name.

    Raises:
        InputError: Another process has it.
    """
    for folder in (state.parent, state):
        make_private(folder)
    lock = os.open(state / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(lock, 20).decode().strip()
            by = f"process {holder}" if holder else "another process"
            raise InputError(f"stack '{stack}' is being changed by {by}; wait until it ends") from None
        os.pwrite(lock, f"{os.getpid():<20}".encode(), 0)
        yield
    finally:
        os.close(lock)
