"""How a plugin ends: with its engine, however that ended.

The engine makes each plugin the leader of a process group and interrupts it when done
(pulumi/sdk v3.259.0, go/common/resource/plugin/plugin.go). An engine that was killed can't, so a plugin
also watches its parent.
"""

from __future__ import annotations

import os
import signal
import threading
import time

__all__ = ["end_with_parent"]

_INTERVAL = 1.0  # seconds


def end_with_parent() -> None:
    """End this process, and its process group if it leads one, within about a second of its parent's end."""
    threading.Thread(target=_watch, args=(os.getppid(),), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_INTERVAL)
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGTERM)
    os._exit(1)
