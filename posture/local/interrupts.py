"""Ctrl-C while a library holds a lock of its own.

httpcore takes its lock in Python, so an interrupt may come between the taking and the release; whoever closes the
client then waits for ever (an `up` that was interrupted hung so).
"""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["interrupted_after"]


@contextmanager
def interrupted_after() -> Iterator[None]:
    """Have Ctrl-C wait until the block has ended, which should not take long.

    Raises:
        KeyboardInterrupt: It came meanwhile.
    """
    usual = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or usual is not signal.default_int_handler:
        yield
        return
    came: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)
        if came:
            raise KeyboardInterrupt
