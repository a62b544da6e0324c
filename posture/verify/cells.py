"""Every cell of the matrix, asked of the mesh: the model's answer and the mesh's own, side by side."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from posture.model.access import Arrival, Request
from posture.verify.agreement import Observation, Question, observe
from posture.verify.findings import Finding, ObservedCell, Outcome, Section

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from posture.model.application import Application
    from posture.model.matrix import Cell, Matrix
    from posture.verify.target import Answer, Target

__all__ = ["observed_cells", "unmeasured_findings"]

_NOT_FOUND = 404
_NO_CONNECTION = "others hold all the connections that its limit allows"
_NOT_NEAR = "a tcp service can be asked only by a connection from this machine"
_NO_REQUEST = "a limited rate on the way was used up"
_LIMITED = 429


def observed_cells(
    matrix: Matrix, application: Application, target: Target, timeout: float, report: Callable[[], None] = lambda: None
) -> list[ObservedCell]:
    """Ask each cell of the application's own matrix as its source; those of the gateway as a visitor.

    Every instance of the destination has to agree; a visit reaches one of them, so where there are more, the sidecars
    are asked under the gateway's identity as well. Bodies are empty, whatever the method. Of a tcp service a connection
    is all that is asked.

    Args:
        matrix: With the access model that it was made of.
        application: Whose matrix it is.
        target: The mesh.
        timeout: Seconds for each destination to settle.
        report: Is called as each cell is done with, from several threads.
    """
    cells = list(matrix.cells())
    gateway = application.gateway.name
    askable = [
        cell for cell in cells if target.near or cell.source == gateway or matrix.access.is_http(cell.destination)
    ]
    asked = [(cell, each) for cell in askable for each in _questions(matrix, application, target, cell)]
    seen: dict[Cell, list[Observation]] = {}
    observations = observe(matrix.access, [question for _, question in asked], target, timeout, report)
    for (cell, _), found in zip(asked, observations, strict=True):
        seen.setdefault(cell, []).append(found)
    return [
        _observed(cell, next((each for each in seen[cell] if not each.agrees), seen[cell][0]), target)
        if cell in seen
        else ObservedCell(cell, _NOT_NEAR, agrees=False, measured=False)
        for cell in cells
    ]


def unmeasured_findings(cells: Iterable[ObservedCell]) -> list[Finding]:
    """One for each destination of which not every cell could be asked, and why."""
    unmeasured = sorted(
        (cell.cell.destination, str(cell.observed)) for cell in cells if cell.outcome is Outcome.NOT_MEASURED
    )
    return [
        Finding(
            Section.CALLS,
            destination,
            Outcome.NOT_MEASURED,
            "an answer to each call",
            f"{why} ({len(list(group))} calls not asked)",
        )
        for (destination, why), group in groupby(unmeasured)
    ]


def _questions(matrix: Matrix, application: Application, target: Target, cell: Cell) -> Iterator[Question]:
    source, destination, method, path, *_ = cell
    access = matrix.access
    if source != application.gateway.name:
        request = Request(source, destination, method, path)
        yield Question(request, destination, access.decide(request))
        return
    arrival = Arrival(source, method, path)
    led_to = _destination(matrix, application, arrival)
    yield Question(arrival, led_to or destination, access.enter(arrival, led_to or destination))
    if led_to == destination and len(target.instances(led_to)) > 1:
        request = Request(source, led_to, method, path)
        yield Question(request, led_to, access.decide(request))


def _destination(matrix: Matrix, application: Application, arrival: Arrival) -> str | None:
    """Where the gateway leads a request: the one service about which it doesn't answer that it isn't found."""
    services = application.services
    return next((name for name in services if matrix.access.enter(arrival, name).status != _NOT_FOUND), None)


def _observed(cell: Cell, seen: Observation, target: Target) -> ObservedCell:
    if seen.full:
        why = _NO_REQUEST if any(answer.status == _LIMITED for answer in seen.answers) else _NO_CONNECTION
        return ObservedCell(cell, why, agrees=False, measured=False)
    request = seen.question.request
    if isinstance(request, Arrival):
        [answer] = seen.answers
        led_to = seen.question.destination
        if led_to != cell.destination and answer.status:
            return ObservedCell(cell, f"{answer.status}, from {led_to}", agrees=seen.agrees)
        return ObservedCell(cell, _words(answer, agrees=seen.agrees), agrees=seen.agrees)
    words = [_words(answer, agrees=seen.agrees) for answer in seen.answers]
    if len(set(words)) == 1:
        return ObservedCell(cell, words[0], agrees=seen.agrees)
    names = target.instances(cell.destination)
    each = ", ".join(f"{name}: {word}" for name, word in zip(names, words, strict=True))
    return ObservedCell(cell, each, agrees=seen.agrees)


def _words(answer: Answer, *, agrees: bool) -> int | str:
    """The status; where it alone might look right, with a word on who gave it."""
    if answer.status is None:
        return answer.words
    if agrees or answer.denied:
        return answer.status
    return f"{answer.status} from {'the application' if answer.passed_on else 'a proxy'}"
