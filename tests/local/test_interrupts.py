"""Ctrl-C at the worst moment: just after httpcore has taken its lock."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest

from posture.local.interrupts import interrupted_after

ASKING = """
import os, signal
from httpcore import _synchronization
from posture.local.consul import Consul

enter, times = _synchronization.ThreadLock.__enter__, []

def interrupted(lock):
    found = enter(lock)
    times.append(len(times))
    if len(times) == {at}:
        os.kill(os.getpid(), signal.SIGINT)
    return found

_synchronization.ThreadLock.__enter__ = interrupted
try:
    with Consul("http://127.0.0.1:9", "") as consul:
        consul.call("GET", "/status/leader")
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_question_to_consul_that_is_interrupted_ends(at: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ASKING.format(at=at)], capture_output=True, text=True, check=False, timeout=30
    )
    assert done.stdout == "interrupted\n", done.stderr


def test_an_interrupt_waits_for_the_end_of_the_block() -> None:
    done = []

    def work() -> None:
        with interrupted_after():
            os.kill(os.getpid(), signal.SIGINT)
            done.append("all of it")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_another_thread_and_another_handler_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    handlers = []

    def look() -> None:
        with interrupted_after():
            handlers.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    monkeypatch.setattr(signal, "default_int_handler", None)
    look()
    assert handlers == [signal.getsignal(signal.SIGINT)] * 2
