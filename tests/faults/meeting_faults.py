"""Two commands at once."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from tests.faults.fault import Fault, Struck, TooLateError

if TYPE_CHECKING:
    from random import Random

    from tests.faults.subject import Subject

DONE, FAILED, BAD_INPUT, LOCKED = 0, 1, 2, 255
REFUSED = r"error: stack '{}' is being changed by process (\d+); wait until it ends"


def two_ups(subject: Subject, random: Random) -> Struck:
    """The first wins; it was too late for the second where that is done before."""
    wanted = [subject.others(random), subject.others(random)]
    running = [subject.up(wanted[0])]
    time.sleep(random.uniform(0, 1.2 * subject.up_seconds) * random.choice([0, 0.1, 1]))
    running.append(subject.up(wanted[1]))
    codes = [each.process.wait(timeout=150) for each in running]
    assert DONE in codes, [each.said for each in running]
    for each in running:
        each.end(DONE, BAD_INPUT)
    if codes == [DONE, DONE]:
        raise TooLateError(wanted[1])
    winner, loser = (codes.index(code) for code in (DONE, BAD_INPUT))
    found = re.fullmatch(REFUSED.format(subject.name), running[loser].error(BAD_INPUT))
    assert found, running[loser].said
    assert int(found[1]) == running[winner].process.pid
    subject.posture = wanted[winner]
    subject.check()
    return Struck(random.choice([*wanted, subject.posture]))


def posture_and_pulumi(subject: Subject, random: Random) -> Struck:
    towards = subject.others(random)
    plain = subject.plain_up(towards)
    time.sleep(random.uniform(0, subject.engine_seconds))
    running = subject.up(towards)
    said = running.end(DONE, FAILED, BAD_INPUT)
    if running.process.returncode == BAD_INPUT:
        assert re.search(REFUSED.format(subject.name), said), said
    elif running.process.returncode == FAILED:
        assert "the stack is currently locked" in said, said
    plain.end(DONE, LOCKED)
    if (plain.process.returncode, running.process.returncode) == (DONE, DONE):
        raise TooLateError(towards)
    return Struck(random.choice([towards, subject.posture]))


MEETING_FAULTS = (
    Fault("two-ups", "two `posture up` at once, apart by a random time; one wins", two_ups),
    Fault("posture-and-pulumi", "a plain `pulumi up` and a `posture up` at once, likewise", posture_and_pulumi),
)
