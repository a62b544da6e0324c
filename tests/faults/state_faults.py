"""Pulumi's state on a bad disk, on a full one, and locked."""

from __future__ import annotations

import json
import os
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.faults.fault import Fault, Struck, TooLateError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from random import Random

    from tests.faults.subject import Subject

FAILED, BAD_INPUT = 1, 2
ROOM = 2**20
GARBAGE = (
    *("", "{", "null", "[]", "{}", "[" * 100_000, '{"version": 3}'),
    *('{"version": 3, "checkpoint": {"latest": 7}}', '{"version": 3, "checkpoint": {"latest": {"resources": [7]}}}'),
)


@contextmanager
def small_disk(subject: Subject) -> Iterator[Path]:
    """A disk with Pulumi's state on it and 1 MiB of room; what is written there in the meantime is kept."""
    state = subject.pulumi_state
    aside = state.with_name("pulumi-aside")
    root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    state.rename(aside)
    state.mkdir(mode=0o700)
    used = sum(each.stat().st_size // 4096 + 1 for each in aside.rglob("*")) * 4096  # a tmpfs takes whole pages
    owner = f"size={used + ROOM},mode=0700,uid={os.geteuid()},gid={os.getegid()}"
    mounted = subprocess.run([*root, "mount", "-t", "tmpfs", "-o", owner, "tmpfs", str(state)], check=False)
    if mounted.returncode:
        state.rmdir()
        aside.rename(state)
        assert "CI" not in os.environ, "CI must be able to mount a small disk"
        pytest.skip("no small disk can be mounted here: that needs root, or sudo")
    try:
        subprocess.run(["cp", "-a", f"{aside}/.", state], check=True)  # noqa: S607
        yield state
    finally:
        subprocess.run(["rm", "-rf", aside], check=True)  # noqa: S607
        subprocess.run(["cp", "-a", f"{state}/.", aside], check=True)  # noqa: S607
        subprocess.run([*root, "umount", str(state)], check=True)
        state.rmdir()
        aside.rename(state)


def _fill(disk: Path, free: int) -> Path:
    """Fill a disk but for some bytes; the file that fills it."""
    file = disk / "filler"
    room = os.statvfs(disk)
    size = room.f_bavail * room.f_frsize - free
    file.write_bytes(b"\0" * max(size, 0))
    return file


def disk_full(subject: Subject, random: Random) -> Struck:
    towards, before = subject.others(random), subject.entries()
    with small_disk(subject) as disk:
        _fill(disk, 0)
        subject.up(towards).error(FAILED)
        assert subject.entries() == before, "something was changed that could not be kept"
        (disk / "filler").unlink()
    return Struck(random.choice([towards, subject.posture]))


def disk_fills_up(subject: Subject, random: Random) -> Struck:
    towards = subject.others(random)
    with small_disk(subject) as disk:
        _fill(disk, random.randrange(0, 3 * subject.checkpoint.stat().st_size))
        running = subject.up(towards)
        running.end(0, FAILED)
        (disk / "filler").unlink()
    if running.process.returncode == 0:
        raise TooLateError(towards)
    return Struck(random.choice([towards, subject.posture]))


def _garbled(held: bytes, random: Random) -> bytes:
    kind = random.choice(["cut", "garbage", "noise", "middle"])
    if kind == "cut":
        return held[: random.randrange(len(held))]
    if kind == "garbage":
        return random.choice(GARBAGE).encode()
    if kind == "noise":
        return random.randbytes(len(held))
    begin = random.randrange(len(held) - 100)
    return held[:begin] + random.randbytes(100) + held[begin + 100 :]


def _damage(files: list[Path], random: Random) -> None:
    for file in files:
        file.write_bytes(_garbled(file.read_bytes(), random))


def checkpoint_damaged(subject: Subject, random: Random) -> Struck:
    checkpoint = subject.checkpoint
    _damage([checkpoint], random)
    return Struck(random.choice([subject.others(random), subject.posture]), clean=_unwarned(checkpoint))


def checkpoint_and_backup_damaged(subject: Subject, random: Random) -> Struck:
    checkpoint = subject.checkpoint
    _damage([checkpoint, checkpoint.with_name(f"{checkpoint.name}.bak")], random)
    return Struck(random.choice([subject.others(random), subject.posture]), clean=_unwarned(checkpoint))


def whole_state_damaged(subject: Subject, random: Random) -> Struck:
    checkpoint = subject.checkpoint
    files = [each for each in subject.pulumi_state.rglob("*") if each.is_file() and each.stat().st_size > 100]
    _damage(files, random)
    return Struck(random.choice([subject.others(random), subject.posture]), clean=_unwarned(checkpoint))


def state_deleted(subject: Subject, random: Random) -> Struck:
    for file in sorted(subject.pulumi_state.rglob("*"), reverse=True):
        file.rmdir() if file.is_dir() else file.unlink()
    return Struck(random.choice([subject.others(random), subject.posture]))


def _unwarned(checkpoint: Path) -> Callable[[], None]:
    """What was damaged is kept beside what took its place."""

    def look() -> None:
        damaged = checkpoint.with_name(f"{checkpoint.name}.damaged")
        assert damaged.exists()
        damaged.unlink()

    return look


def stale_lock(subject: Subject, random: Random) -> Struck:
    with subprocess.Popen(["true"]) as gone:  # noqa: S607
        pass
    contents = [
        json.dumps({"pid": gone.pid, "username": "root", "hostname": "here", "timestamp": "2026-01-01T00:00:00Z"}),
        json.dumps({"pid": os.getpid(), "username": "root", "hostname": "here", "timestamp": "2026-01-01T00:00:00Z"}),
        json.dumps({"pid": "many"}),
        *GARBAGE,
    ]
    subject.locks().mkdir(parents=True, exist_ok=True)
    for number in range(random.randint(1, 3)):
        (subject.locks() / f"00000000-0000-0000-0000-{number:012}.json").write_text(random.choice(contents))
    (subject.state / "lock").write_text(str(os.getpid()))
    return Struck(random.choice([subject.others(random), subject.posture]))


def locked_by_a_live_engine(subject: Subject, random: Random) -> Struck:
    towards = subject.others(random)
    with subject.slow_writes(10):  # two commands have to come and be refused meanwhile
        plain = subject.plain_up(towards)
        plain.until_said("ConfigEntry", "updating")
        engine = plain.engine()
        words = f"stack '{subject.name}' is being changed by process {engine.pid}; wait until it ends"
        assert words in subject.up(subject.posture).error(BAD_INPUT)
        assert words in subject.down().error(BAD_INPUT)
        time.sleep(random.uniform(0, 0.5))
    plain.end(0)
    assert not psutil.pid_exists(engine.pid)
    return Struck(random.choice([towards, subject.posture]))


STATE_FAULTS = (
    Fault("disk-full", "the disk of Pulumi's state is full before a `posture up`", disk_full),
    Fault("disk-fills-up", "the disk of Pulumi's state gets full at a random point of a `posture up`", disk_fills_up),
    Fault("checkpoint-damaged", "the state is cut off, emptied or overwritten, with JSON or noise", checkpoint_damaged),
    Fault("backup-damaged", "the same, and its backup as well", checkpoint_and_backup_damaged),
    Fault("whole-state-damaged", "the same with every file of the state", whole_state_damaged),
    Fault("state-deleted", "all files of Pulumi's state are deleted", state_deleted),
    Fault("stale-lock", "locks of a dead process, of a number used again, of nobody, and garbage", stale_lock),
    Fault(
        "live-lock", "a plain `pulumi up` is at work, and `posture up` is told to go as well", locked_by_a_live_engine
    ),
)
