"""The engine, or the command around it, ends before its time."""

from __future__ import annotations

import signal
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.faults.fault import Fault, Struck, TooLateError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

    from tests.faults.subject import Subject

FAILED, BAD_INPUT, INTERRUPTED = 1, 2, 130
KILLED = -signal.SIGKILL
ADDED = "extra"
SERVICE = f"  {ADDED}:\n    port: 9080\n    command: [python, -m, posture.local.bookinfo, details]\n"


def _either(subject: Subject, random: Random, towards: str) -> str:
    """On to where the `up` was going, or back."""
    return random.choice([towards, subject.posture])


def engine_killed(subject: Subject, random: Random) -> Struck:
    towards = subject.others(random)
    running = subject.up(towards)
    engine = running.engine()
    time.sleep(random.uniform(0, subject.engine_seconds))
    if engine.is_running():
        engine.kill()
    said = running.end(0, FAILED)
    if running.process.returncode == 0:
        raise TooLateError(towards)
    assert f"stack '{subject.name}' may be changed in part" in said.splitlines()[-1], said
    return Struck(_either(subject, random, towards))


def engine_killed_mid_write(subject: Subject, random: Random) -> Struck:
    towards = subject.others(random)
    with subject.slow_writes():
        running = subject.up(towards)
        running.until_said("ConfigEntry", "updating")
        running.engine().kill()
    assert f"ended by SIGKILL: stack '{subject.name}' may be changed in part" in running.error(FAILED)
    return Struck(_either(subject, random, towards))


@contextmanager
def with_a_new_service(subject: Subject) -> Iterator[None]:
    """Within the block the application has one service more."""
    application = subject.project.folder / "apps" / "bookinfo.yaml"
    before = application.read_text()
    application.write_text(before.replace("clients:\n", f"{SERVICE}clients:\n", 1))
    try:
        yield
    finally:
        application.write_text(before)


def engine_killed_on_a_new_service(subject: Subject, random: Random) -> Struck:
    """No state has the entries that the service has got."""
    towards = subject.others(random)
    with with_a_new_service(subject), subject.slow_writes():
        running = subject.up(towards)
        running.until_said(f"/{ADDED} created")
        time.sleep(random.uniform(0, 1.5))  # at least one more write goes on
        running.engine().kill()
        assert "may be changed in part" in running.error(FAILED)
    assert any(each.get("Name") == ADDED for each in subject.entries())
    return Struck(_either(subject, random, towards))


def plain_engine_killed(subject: Subject, random: Random) -> Struck:
    towards = subject.others(random)
    running = subject.plain_up(towards)
    time.sleep(random.uniform(0, subject.engine_seconds))
    running.process.kill()
    running.end(0, KILLED)
    if running.process.returncode == 0:
        raise TooLateError(towards)
    return Struck(_either(subject, random, towards))


def command_killed(subject: Subject, random: Random) -> Struck:
    """Its engine goes on to its end; until then, another `up` is told to wait for it."""
    towards = subject.others(random)
    running = subject.up(towards)
    time.sleep(random.uniform(0, subject.up_seconds))
    running.process.kill()
    if running.process.wait() == 0:
        raise TooLateError(towards)
    again = subject.up(towards)
    if again.process.wait(timeout=150):
        assert f"stack '{subject.name}' is being changed by process" in again.error(BAD_INPUT)
    running.end(KILLED)
    return Struck(_either(subject, random, towards))


def interrupted(subject: Subject, random: Random) -> Struck:
    towards = subject.others(random)
    running = subject.up(towards)
    running.engine()
    time.sleep(random.uniform(0, subject.engine_seconds))
    running.process.send_signal(signal.SIGINT)
    said = running.end(0, INTERRUPTED)
    if running.process.returncode == 0:
        raise TooLateError(towards)
    assert said.splitlines()[-1] == "error: interrupted; run it again to go on"
    return Struck(_either(subject, random, towards))


ENGINE_FAULTS = (
    Fault("engine-killed", "the engine of a `posture up` gets SIGKILL at a random moment", engine_killed),
    Fault("engine-killed-mid-write", "the same, in the middle of a write", engine_killed_mid_write),
    Fault(
        "engine-killed-on-a-new-service",
        "the same, when the first entries of a new service are there; the service is then taken out again",
        engine_killed_on_a_new_service,
    ),
    Fault("plain-engine-killed", "a plain `pulumi up` gets SIGKILL at a random moment", plain_engine_killed),
    Fault(
        "command-killed",
        "a `posture up` itself gets SIGKILL at a random moment; its engine goes on to its end",
        command_killed,
    ),
    Fault("interrupted", "a `posture up` gets Ctrl-C at a random moment", interrupted),
)
