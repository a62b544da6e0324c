"""The faults' part of docs/reliability.md: each fault with its seeds, on a few meshes side by side."""

from __future__ import annotations

import os
import statistics
import sys
import threading
import time
import traceback
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from tests.faults.fault import try_fault
from tests.faults.faults import FAULTS
from tests.faults.subject import Subject, subject

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.faults.fault import Fault, Healed

__all__ = ["Tally", "fault_section", "rendered"]

HEAD = ("fault", "what is done", "ended as wanted", "requests asked", "time to heal, median", "max", "once more")
INTRO = """\
## Faults

Each is tried with a few seeds, which choose the moment, the process, the file, and the posture to go to. Then **one
command, `posture up`**, has to bring the mesh to what that posture says: every cell of the matrix is asked with a real
request, Consul's entries and Pulumi's state are what the posture compiles to, no process and no lock is left over, and
no command has shown a traceback. The time to heal is that command's. A moment at which
the struck `up` had ended doesn't count: the next one is tried.
"""


@dataclass
class Tally:
    """What has come of a fault's seeds; ``failed`` has the words of each seed that did not end as wanted."""

    healed: list[Healed] = field(default_factory=list)
    failed: dict[int, str] = field(default_factory=dict)

    @property
    def tried(self) -> int:
        return len(self.healed) + len(self.failed)


def fault_section() -> str:
    """Try all faults, or the one that `FAULT` names; none where only a switch is asked for."""
    if "SWITCH" in os.environ:
        return ""
    wanted = os.environ.get("FAULT")
    if wanted and wanted not in {each.name for each in FAULTS}:
        sys.exit(f"no fault '{wanted}'; there are {', '.join(each.name for each in FAULTS)}")
    faults = [each for each in FAULTS if wanted in {None, "", each.name}]
    seeds = range(int(os.environ.get("FAULT_SEEDS", "10")))
    if "FAULT_SEED" in os.environ:
        seeds = range(int(os.environ["FAULT_SEED"]), int(os.environ["FAULT_SEED"]) + 1)
    left: SimpleQueue[tuple[Fault, int]] = SimpleQueue()
    for seed in seeds:
        for fault in faults:
            left.put((fault, seed))
    tallies = {fault.name: Tally() for fault in faults}
    meshes = range(min(int(os.environ.get("FAULT_MESHES", "2")), left.qsize()))
    workers = [threading.Thread(target=_work, args=(number, left, tallies)) for number in meshes]
    for worker in workers:
        worker.start()
    try:
        for worker in workers:
            worker.join()
    except KeyboardInterrupt:
        with suppress(Empty):
            while True:
                left.get_nowait()  # what is being tried comes to its end
        raise
    return rendered(tallies)


def rendered(tallies: Mapping[str, Tally]) -> str:
    """The section."""
    tried = sum(each.tried for each in tallies.values())
    healed = sum(len(each.healed) for each in tallies.values())
    asked = sum(each.asked for tally in tallies.values() for each in tally.healed)
    rows = [_row(fault, tallies[fault.name]) for fault in FAULTS if fault.name in tallies]
    table = [f"| {' | '.join(cells)} |" for cells in (HEAD, ["---"] * len(HEAD), *rows)]
    return "\n".join([INTRO, f"{healed} of {tried} ended as wanted; {asked:,} requests.", "", *table, ""])


def _work(number: int, left: SimpleQueue[tuple[Fault, int]], tallies: Mapping[str, Tally]) -> None:
    """Try what is left on one mesh; after a fault that did not end as wanted, on a new one."""
    with ExitStack() as standing:
        mesh: Subject | None = None
        while True:
            try:
                fault, seed = left.get_nowait()
            except Empty:
                return
            begun = time.monotonic()
            try:
                mesh = mesh or standing.enter_context(subject(number))
                tallies[fault.name].healed.append(try_fault(fault, mesh, seed))
                words = "as wanted"
            except BaseException:  # noqa: BLE001 - a skip is one as well, and none of them may end the others
                words = traceback.format_exc()
                tallies[fault.name].failed[seed] = words
                standing.close()
                mesh = None
            sys.stderr.write(f"{fault.name} {seed}: {words} ({time.monotonic() - begun:.0f} s)\n")
            sys.stderr.flush()


def _row(fault: Fault, tally: Tally) -> tuple[str, ...]:
    took = [each.seconds for each in tally.healed] or [float("nan")]
    held = f"{len(tally.healed)} of {tally.tried}"
    return (
        fault.name,
        fault.what,
        f"❌ {held}" if tally.failed else held,
        f"{sum(each.asked for each in tally.healed):,}",
        f"{statistics.median(took):.1f} s",
        f"{max(took):.1f} s",
        f"`make faults FAULT={fault.name}`",
    )
