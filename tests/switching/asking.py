"""Asks every cell of a matrix over and over, while a mesh is moved from one posture to another."""

from __future__ import annotations

import http.client
import re
import ssl
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from posture.model.limiter import OVER_THE_LIMIT
from posture.verify.answers import UPSTREAM_TIME

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable, Sequence

    from posture.local.probing import LocalTarget
    from posture.model.matrix import Sample

__all__ = ["VISITOR", "Answer", "Asker", "Cell", "Visitor", "askers", "visitors"]

VISITOR = "visitor"
"""Stands for who comes by the gateway, and sees what productpage gets from others."""

SHOWN = {"productpage": "<h1>", "details": "ISBN-10", "reviews": "reviews-v"}
"""What the page has of a service, if it could be asked."""

PACE = 0.1  # seconds between two questions over one connection
VISITS = 0.3
PATIENCE = 5.0
TOO_OLD = "ALERT_PROTOCOL_VERSION"
"""What OpenSSL says where the other side's floor is higher."""

FLOORS = {"TLSv1_2": ssl.TLSVersion.TLSv1_2, "TLSv1_3": ssl.TLSVersion.TLSv1_3}


class Cell(NamedTuple):
    """A call to one instance, by a client that speaks one version of TLS."""

    source: str
    destination: str
    method: str
    path: str
    instance: str
    tls: str


class Answer(NamedTuple):
    """When it was asked for (Unix time), after how long it came (seconds), and what: let in by the rules? In words."""

    begun: float
    took: float
    let_in: bool
    words: str

    @property
    def failed(self) -> bool:
        """Whether it is an error, and no refusal, be it that of a version of TLS."""
        return not (self.words.startswith(("2", "4")) or TOO_OLD in self.words)


@dataclass
class Asker:
    """One connection of one caller to one instance, and the cells that are asked over it in turn.

    It is kept for as long as the proxy keeps it. As any client does, it asks once more where the proxy has closed it.
    """

    context: ssl.SSLContext
    address: tuple[str, int]
    cells: Sequence[Cell]
    answers: dict[Cell, list[Answer]] = field(default_factory=dict)

    def run(self, stop: threading.Event) -> None:
        """Ask until told to stop."""
        self.answers = {cell: [] for cell in self.cells}
        connection = http.client.HTTPSConnection(*self.address, context=self.context, timeout=PATIENCE)
        while not stop.is_set():
            for cell in self.cells:
                begun = time.time()
                let_in, words = self._ask(connection, cell)
                self.answers[cell].append(Answer(begun, time.time() - begun, let_in, words))
                if stop.wait(max(0.0, PACE - (time.time() - begun))):
                    break
        connection.close()

    def _ask(self, connection: http.client.HTTPSConnection, cell: Cell) -> tuple[bool, str]:
        kept = connection.sock is not None
        try:
            connection.request(cell.method, cell.path, headers={"Host": cell.destination})
            answer = connection.getresponse()
            text = answer.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            return self._ask(connection, cell) if kept else (False, f"{type(error).__name__}: {error}")
        let_in = answer.getheader(UPSTREAM_TIME) is not None or text.startswith(OVER_THE_LIMIT)
        return let_in, f"{answer.status} {text[:60]}"


def askers(
    target: LocalTarget, sources: Iterable[str], samples: Sequence[Sample], watched: Callable[[Cell], bool]
) -> list[Asker]:
    """One for each caller, instance and version of TLS; of its questions every other one is watched, if any is."""
    found = []
    for source in sources:
        for tls in FLOORS:
            context = _of_version(target._make_context(source), tls)
            for destination in sorted({sample.destination for sample in samples} - {source}):
                for endpoint in target.sidecars(destination):
                    cells = [Cell(source, *each, endpoint.instance, tls) for each in samples if each[0] == destination]
                    found.append(Asker(context, (endpoint.host, endpoint.port), _by_turns(cells, watched)))
    return found


def _by_turns(cells: Sequence[Cell], watched: Callable[[Cell], bool]) -> Sequence[Cell]:
    often, seldom = ([cell for cell in cells if watched(cell) is which] for which in (True, False))
    if not often or not seldom:
        return cells
    turns = range(max(len(often), len(seldom)))
    return [cell for turn in turns for cell in (often[turn % len(often)], seldom[turn % len(seldom)])]


def visitors(target: LocalTarget) -> list[Visitor]:
    """One for each version of TLS."""
    port = target.entrance().port
    return [Visitor(_of_version(target._make_entrance_context(), tls), port, tls) for tls in FLOORS]


def _of_version(context: ssl.SSLContext, tls: str) -> ssl.SSLContext:
    """A context of its own, held to a version."""
    context.minimum_version = context.maximum_version = FLOORS[tls]
    return context


@dataclass
class Visitor:
    """Loads the page again and again over one version of TLS, and looks at whose part is there."""

    context: ssl.SSLContext
    port: int
    tls: str
    answers: dict[Cell, list[Answer]] = field(default_factory=dict)

    def run(self, stop: threading.Event) -> None:
        """Ask until told to stop."""
        cells = {to: Cell(VISITOR, to, "GET", "/productpage", "the page", self.tls) for to in SHOWN}
        self.answers = {cell: [] for cell in cells.values()}
        while not stop.wait(VISITS):
            begun = time.time()
            connection = http.client.HTTPSConnection("localhost", self.port, context=self.context, timeout=PATIENCE)
            try:
                connection.request("GET", "/productpage")
                answer = connection.getresponse()
                text = answer.read().decode(errors="replace")
                words = f"{answer.status} {text[:100] if answer.status != http.client.OK else ''}"
            except (OSError, http.client.HTTPException) as error:
                text, words = "", f"{type(error).__name__}: {error}"
            connection.close()
            for to, cell in cells.items():
                inner = re.search(rf"{to} answered (\d+)", text)  # the page says so in the place of the part
                said = inner[1] if inner else words
                self.answers[cell].append(Answer(begun, time.time() - begun, SHOWN[to] in text, said))
