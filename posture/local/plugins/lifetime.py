"""How a plugin ends: with its engine, however that ended.

The engine makes each plugin the leader of a process group and interrupts it when done
(pulumi/sdk v3.259.0, go/common/resource/plugin/plugin.go). An engine that was killed can't, so a plugin
also watches its parent: what it wrote after that would be in nobody's state.
"""

from __future__ import annotations

import os
import select
import signal
import threading

__all__ = ["end_with_parent"]


def end_with_parent() -> None:
    """End this process, and its process group if it leads one, as soon as its parent has ended."""
    parent = os.getppid()
    try:
        watched = os.pidfd_open(parent)
    except ProcessLookupError:
        _end()
    if os.getppid() != parent:  # it has ended meanwhile, and the number may be another's
        _end()
    threading.Thread(target=_watch, args=(watched,), daemon=True).start()


def _watch(parent: int) -> None:
    select.select([parent], [], [])  # a process that has ended is readable: pidfd_open(2)
    _end()


def _end() -> None:
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGTERM)
    os._exit(1)
