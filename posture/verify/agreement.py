"""Asks the mesh what the model has answered, until they agree: a write to Consul takes a moment to the last Envoy."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from posture.model.access import Arrival, Request
from posture.model.limiter import OVER_THE_LIMIT
from posture.verify.answers import nobody_listens
from posture.verify.layer4 import Layer4Answer, ask_layer4
from posture.verify.places import taken

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from posture.model.access import Access, Decision
    from posture.model.application import Application
    from posture.verify.target import Answer, Target

__all__ = ["Disagreement", "Observation", "Question", "Settled", "agrees", "declared_requests", "observe", "settle"]

_FORBIDDEN, _LIMITED, _OVERLOADED = 403, 429, 503
_PATIENCE_WITH_LIMITS = 3.0


class Question(NamedTuple):
    """A request straight to a destination's sidecars, or one that comes to it by the gateway, and the model's answer.

    The destination of an arrival is where the gateway leads it: an answer from outside doesn't say who gave it.
    """

    request: Request | Arrival
    destination: str
    decision: Decision


@dataclass(frozen=True)
class Observation:
    """A question with the answers of all instances that were asked.

    ``full`` says that it got no answer that tells, and that a limit was why: the destination had all the connections
    that it takes, or a rate was used up on the way. Then nothing is known of it.
    """

    question: Question
    answers: Sequence[Answer]
    full: bool = False

    @property
    def agrees(self) -> bool:
        """Whether every answer is the model's."""
        return all(agrees(self.question, answer) for answer in self.answers)

    @property
    def silent(self) -> bool:
        """Whether what keeps it from agreeing is no answer, or one that tells of load rather than of rules."""
        wrong = [answer for answer in self.answers if not agrees(self.question, answer)]
        return bool(wrong) and all(_is_silence(self.question, answer) for answer in wrong)


@dataclass(frozen=True)
class Disagreement:
    """A request that the model and the mesh answer differently, or that the mesh did not answer (``silent``)."""

    request: Request
    allowed: bool
    observed: str
    silent: bool

    def __str__(self) -> str:
        """In a line."""
        request, wanted = self.request, "allowed" if self.allowed else "denied"
        return (
            f"{request.source} -> {request.destination} {request.method} {request.path} "
            f"should be {wanted}; the mesh answered {self.observed}"
        )


class Settled(NamedTuple):
    """What is left when the mesh was given its time: what differs, and what could not be asked."""

    wrong: list[Disagreement]
    unmeasured: list[Disagreement]


def declared_requests(application: Application) -> tuple[Request, ...]:
    """What anybody is said to call, asked by everybody who can call."""
    calls = dict.fromkeys(
        [call for service in application.services.values() for call in service.calls]
        + [call for client in application.clients.values() for call in client.calls]
    )
    return tuple(
        Request(source, call.to, call.method, call.path) for call in calls for source in sorted(application.sources)
    )


def settle(access: Access, requests: Iterable[Request], target: Target, timeout: float) -> Settled:
    """Ask until every answer is the model's, or the time (seconds) is up; see `observe`."""
    asked = [each for each in requests if target.near or access.is_http(each.destination)]
    questions = [Question(request, request.destination, access.decide(request)) for request in asked]
    found = Settled([], [])
    for request, seen in zip(asked, observe(access, questions, target, timeout), strict=True):
        if not seen.agrees:
            wrong = next(answer for answer in seen.answers if not agrees(seen.question, answer))
            words = f"{wrong.status}: {wrong.words}" if wrong.status else wrong.words
            each = Disagreement(request, seen.question.decision.allowed, words, seen.silent)
            (found.unmeasured if seen.full else found.wrong).append(each)
    return found


def observe(
    access: Access,
    questions: Iterable[Question],
    target: Target,
    timeout: float,
    report: Callable[[], None] = lambda: None,
) -> list[Observation]:
    """Ask until every answer is the model's, or the time (seconds) is up.

    Each destination is asked by one thread at a time, so that a limit of one connection is enough for it; what comes
    by the gateway is asked when all else has its answer, for the gateway keeps its connection. Where others hold all
    the connections of a limit, idle ones included, nothing can be asked and nothing is claimed; Envoy's own count of
    them is the witness.

    Args:
        access: The model.
        questions: What to ask, each once.
        target: The mesh.
        timeout: Seconds for each destination, and as many again for what comes to it by the gateway.
        report: Is called as each question is done with, from several threads.

    Returns:
        The last observation for each question, in their order.
    """
    order = list(questions)
    groups: dict[str, list[Question]] = {}
    for question in order:
        groups.setdefault(question.destination, []).append(question)
    with ThreadPoolExecutor(max_workers=max(len(groups), 1)) as pool:
        each = pool.map(lambda item: _Group(access, target, *item).ask(timeout, report), groups.items())
        found = {id(seen.question): seen for part in each for seen in part}
    return [found[id(question)] for question in order]


class _Group:
    """The questions about one destination."""

    def __init__(self, access: Access, target: Target, destination: str, questions: list[Question]) -> None:
        self._access = access
        self._target = target
        self._destination = destination
        self._questions = questions
        self._limit = access.connection_limit(destination)

    def ask(self, timeout: float, report: Callable[[], None]) -> list[Observation]:
        straight = [question for question in self._questions if not isinstance(question.request, Arrival)]
        by_gateway = [question for question in self._questions if isinstance(question.request, Arrival)]
        return [seen for part in (straight, by_gateway) if part for seen in self._ask(part, timeout, report)]

    def _ask(self, left: list[Question], timeout: float, report: Callable[[], None]) -> list[Observation]:
        begun, full = time.monotonic(), False
        done: list[Observation] = []
        while True:
            open_ones = []
            for question in left:
                seen = self._one(question)
                if seen.agrees:
                    done.append(seen)
                    report()
                else:
                    open_ones.append(seen)
            left = [seen.question for seen in open_ones]
            waited = time.monotonic() - begun
            full = full or self._is_full()
            excused = [_is_excused(seen, full=full) for seen in open_ones]
            if not left or waited > timeout or (all(excused) and waited > _PATIENCE_WITH_LIMITS):
                break
            time.sleep(0.05)
        for seen, limits in zip(open_ones, excused, strict=True):
            done.append(Observation(seen.question, seen.answers, full=limits))
            report()
        return done

    def _one(self, question: Question) -> Observation:
        request = question.request
        if isinstance(request, Arrival):
            return Observation(question, [self._target.enter(request)])
        if not self._access.is_http(request.destination):
            near = self._target.near
            nobody = [Layer4Answer("can't be asked from here")]
            return Observation(question, ask_layer4(near, request) if near else nobody)
        return Observation(question, self._target.ask(request))

    def _is_full(self) -> bool:
        return self._limit is not None and taken(self._target, self._destination) >= self._limit


def agrees(question: Question, answer: Answer) -> bool:
    """A request was let in if the application itself has answered; it is denied by the refusal that the model names."""
    decision = question.decision
    if decision.allowed:
        if _limited_behind_the_rules(question, answer):
            return True
        return answer.passed_on and not answer.denied and not _is_silence(question, answer)
    if decision.status == _FORBIDDEN:  # a gateway passes on what a sidecar has said, a sidecar nothing of its own
        return answer.denied and (isinstance(question.request, Arrival) or not answer.passed_on)
    return answer.status == decision.status and not answer.passed_on


def _is_silence(question: Question, answer: Answer) -> bool:
    """Whether it says nothing about who may call: no answer, or 503 or 429 from a proxy.

    A gateway's 503 may be the sidecar's, for what tells who answered is then the gateway's own header.
    """
    if answer.status is None:
        return not (answer.denied or answer.passed_on)
    by_proxy = isinstance(question.request, Arrival) or not answer.passed_on
    if _limited_behind_the_rules(question, answer):
        return False
    return answer.status in {_LIMITED, _OVERLOADED} and by_proxy


def _limited_behind_the_rules(question: Question, answer: Answer) -> bool:
    """Whether the destination's own limiter refused it: that stands behind the rules, so they have let it in."""
    return answer.status == _LIMITED and answer.words.startswith(f"{OVER_THE_LIMIT} {question.destination}:")


def _is_excused(seen: Observation, *, full: bool) -> bool:
    """Whether limits are why there is no answer that tells; with all places taken, a proxy accepts and closes."""
    nobody = any(nobody_listens(answer.words) for answer in seen.answers)
    limited = full or any(answer.status == _LIMITED for answer in seen.answers)
    return seen.silent and limited and not nobody
