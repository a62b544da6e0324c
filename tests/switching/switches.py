"""Moves a mesh from posture to posture, and holds every answer on the way against what both ends say."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from posture.local.envoy import DRAIN_SECONDS
from posture.model.access import Access, Arrival, Request
from posture.model.entries import Entry, Kind, compile_entries
from posture.model.matrix import UNKNOWN, rule_samples, samples
from posture.model.posture import load_posture
from posture.verify.places import count
from tests.switching.asking import VISITOR, Answer, Asker, Cell, Visitor, askers, visitors

if TYPE_CHECKING:
    from posture.local.probing import LocalTarget
    from posture.model.application import Application
    from tests.conftest import Project
    from tests.postures import Fields
    from tests.switching.slow_consul import SlowMotion

__all__ = ["Outcome", "Switching"]

BEFORE, AFTER = 0.7, 1.5  # seconds
HEARD_WITHIN = 0.5
"""Seconds within which all instances of a service have heard of a write; 0.3 is usual."""

CUT_OFF = {
    ("503",): r"^cluster\..*\.consul\.upstream_cx_destroy_remote_with_active_rq$",
    ("RemoteDisconnected", "ConnectionResetError"): r"^http\.ingress_upstream_.*\.downstream_cx_destroy_local$",
}
"""How a page load fails that the end of a drain meets, and which counter of Envoys counts these.

Behind the gateway the caller's Envoy counts a connection that was closed before it was answered, and says 503. At the
gateway the visitor's own is closed; visitors close theirs when they are answered, so the gateway closes no other.
"""


@dataclass
class Outcome:
    """What was seen: how many requests, how many cells changed, which answers were wrong, how long it took to settle.

    ``cut_off`` counts the page loads that the end of a drain has met, by what Envoys count themselves (ADR 6).
    ``settled`` has seconds after the last write, for each caller and instance between which something changes: when
    that was asked for which was the first to be answered by the new posture, as all was from then on. ``page_settled``
    has the same for each part of the page.
    """

    requests: int = 0
    changed: int = 0
    cut_off: int = 0
    wrong: list[str] = field(default_factory=list)
    settled: list[float] = field(default_factory=list)
    page_settled: list[float] = field(default_factory=list)

    def add(self, other: Outcome) -> None:
        """Count what was seen in another switch as well."""
        self.requests += other.requests
        self.changed += other.changed
        self.cut_off += other.cut_off
        self.wrong += other.wrong
        self.settled += other.settled
        self.page_settled += other.page_settled


@dataclass
class Switching:
    """A live mesh whose writes can be slowed down.

    Args:
        project: Where its postures are, and in which it is moved.
        stack: Its name.
        application: Whose calls are asked.
        target: The mesh, to be asked.
        motion: How slow the writes are.
    """

    project: Project
    stack: str
    application: Application
    target: LocalTarget
    motion: SlowMotion

    def add(self, name: str, posture: Fields) -> None:
        """Write a posture's file; JSON is YAML."""
        (self.project.folder / "stacks" / f"{name}.yaml").write_text(json.dumps(posture))

    def up(self, posture: str) -> None:
        """Move to a posture without being watched."""
        self.project.posture("up", posture, "--stack", self.stack)

    def switch(self, old: str, new: str) -> Outcome:
        """Move from one posture to another, and ask everything all the time."""
        before, after = (self._compiled(name) for name in (old, new))
        wanted = {
            *samples(self.application),
            *rule_samples(Access(before), self.application),
            *rule_samples(Access(after), self.application),
        }
        gateway = self.application.gateway.name
        ends = _End(gateway, before), _End(gateway, after)
        coming = visitors(self.target)
        everybody: list[Asker | Visitor] = [
            *askers(
                self.target,
                [*sorted(self.application.sources), UNKNOWN],
                sorted(wanted),
                lambda cell: ends[0].allows(cell) != ends[1].allows(cell),
            ),
            *coming,
        ]
        counted = {counter: self._counted(counter) for counter in CUT_OFF.values()}
        stop = threading.Event()
        threads = [threading.Thread(target=asker.run, args=(stop,), daemon=True) for asker in everybody]
        for thread in threads:
            thread.start()
        try:
            time.sleep(BEFORE)
            self.up(new)
            time.sleep(AFTER)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        failed = [each for visitor in coming for given in visitor.answers.values() for each in given if each.failed]
        cut_off = set[float]()
        for words, counter in CUT_OFF.items():
            loads = {answer.begun for answer in failed if answer.words.startswith(words)}
            if len(loads) <= self._counted(counter) - counted[counter]:
                cut_off |= loads
        return self._judge(everybody, ends, cut_off, f"{old} → {new}")

    def _counted(self, counter: str) -> int:
        return sum(count(self.target, name, counter) or 0 for name in self.target.proxies())

    def _mixed(self, cell: Cell) -> float:
        """For how long (seconds) a cell may be answered by either posture.

        Each instance hears by itself, and each connection of before has its last answer while it drains (ADR 6). All
        askers but visitors have one connection to one instance.
        """
        shared = cell.source == VISITOR and len(self.target.instances(cell.destination)) > 1
        return DRAIN_SECONDS + HEARD_WITHIN if shared else 0.0

    def _compiled(self, name: str) -> tuple[Entry, ...]:
        return compile_entries(self.application, load_posture(self.project.folder / "stacks", name, self.application))

    def _judge(
        self, everybody: list[Asker | Visitor], ends: tuple[_End, _End], cut_off: set[float], name: str
    ) -> Outcome:
        found = Outcome(cut_off=len(cut_off))
        changing: dict[tuple[str, ...], list[tuple[float, bool]]] = {}
        for asker in everybody:
            for cell, given in asker.answers.items():
                found.requests += len(given)
                answers = [answer for answer in given if not (answer.failed and answer.begun in cut_off)]
                then, now = (end.allows(cell) for end in ends)
                trouble = _wrong(answers, then=then, now=now, mixed=self._mixed(cell))
                if trouble:
                    found.wrong.append(f"{name}: {cell}: {trouble}")
                elif then != now:
                    found.changed += 1
                    seen = changing.setdefault((cell.source, cell.destination, cell.instance, cell.tls), [])
                    seen += [(answer.begun, answer.let_in == now) for answer in answers]
        for (source, *_), seen in changing.items():
            settled = found.page_settled if source == VISITOR else found.settled
            settled.append(max(0.0, _agreed(seen) - self.motion.last_write))
        return found


class _End:
    """What a posture says of a cell."""

    def __init__(self, gateway: str, entries: tuple[Entry, ...]) -> None:
        self._gateway = gateway
        self._access = Access(entries)
        mesh = next(entry.body for entry in entries if entry.kind is Kind.MESH)
        self._floor = mesh["TLS"]["Incoming"]["TLSMinVersion"]
        [listener] = next(entry.body["Listeners"] for entry in entries if entry.kind is Kind.API_GATEWAY)
        self._floor_outside = listener["TLS"]["MinVersion"]

    def allows(self, cell: Cell) -> bool:
        if cell.source == VISITOR:
            return cell.tls >= self._floor_outside and self._shows(cell)
        request = Request(cell.source, cell.destination, cell.method, cell.path)
        return cell.tls >= self._floor and self._access.decide(request).allowed

    def _shows(self, cell: Cell) -> bool:
        page = self._access.enter(Arrival(self._gateway, "GET", cell.path), "productpage").allowed
        call = Request("productpage", cell.destination, "GET", f"/{cell.destination}/0")
        return page and (cell.destination == "productpage" or self._access.decide(call).allowed)


def _agreed(seen: list[tuple[float, bool]]) -> float:
    """When that was asked for which was answered by the new posture first, as all was from then on."""
    last_old = max(begun for begun, is_new in seen if not is_new)
    return min(begun for begun, is_new in seen if is_new and begun > last_old)


def _wrong(answers: list[Answer], *, then: bool, now: bool, mixed: float) -> str:
    """What is wrong with a cell's answers, in their order; empty if nothing is."""
    if not answers:
        return "was never asked"
    odd = [each for each in answers if each.let_in not in {then, now} or each.words[0] == "5"]
    if odd:
        return f"{odd[0].words}, after {odd[0].took:.2f} s, one of {len(odd)} of {len(answers)}"
    turns = [later.begun for earlier, later in pairwise(answers) if earlier.let_in != later.let_in]
    if answers[0].let_in != then or answers[-1].let_in != now or (turns and turns[-1] - turns[0] > mixed):
        return f"turned {len(turns)} times: {' '.join('+' if answer.let_in else '-' for answer in answers)}"
    return ""
