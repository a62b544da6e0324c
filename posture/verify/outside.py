"""Who else gets in: a process without an identity, a visitor off the routes, and an identity that nobody knows."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

from posture.model.access import Arrival, Request
from posture.model.matrix import UNKNOWN, samples
from posture.verify.agreement import Question, agrees
from posture.verify.attempts import Reply
from posture.verify.callers import caller_of
from posture.verify.findings import Finding, Outcome, Section
from posture.verify.places import refused

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from posture.model.access import Access
    from posture.model.application import Application
    from posture.model.matrix import Sample
    from posture.verify.target import Answer, Target

__all__ = ["outside_findings"]

_LIMITED, _OVERLOADED = 429, 503
"""A limit's answers, the latter also that of a service which is not there: they say nothing about who may call."""

_PATIENCE = 3

_WORST_FIRST = (Outcome.FAILS, Outcome.NOT_MEASURED, Outcome.HOLDS)


class _Tried(NamedTuple):
    outcome: Outcome
    what: str
    answer: str


def outside_findings(target: Target, application: Application, access: Access) -> list[Finding]:
    """Try the mesh from outside, and as a member that the application doesn't have.

    Returns:
        For each service: whether a process without a certificate gets an answer, in plain text or over TLS. For each
        http service: whether an unknown identity gets the answers that the posture has for it. One for the gateway:
        whether it answers as the posture says where no service is to be had through it.
    """
    wanted = samples(application)

    def of_service(name: str) -> list[Finding]:
        without = _without_a_certificate(target, application, access, name)
        if application.services[name].protocol != "http":
            return [without]
        # Then, and not at once: a limit may leave no more than one connection.
        return [without, _unknown(target, access, name, [each for each in wanted if each.destination == name])]

    with ThreadPoolExecutor() as pool:
        found = list(pool.map(of_service, application.services))
    off = _off_the_routes(target, application, access, wanted)
    return [*(each[0] for each in found), *(each for more in found for each in more[1:]), off]


def _without_a_certificate(target: Target, application: Application, access: Access, service: str) -> Finding:
    outcomes = {Reply.REFUSED: Outcome.HOLDS, Reply.ANSWERED: Outcome.FAILS, Reply.NONE: Outcome.NOT_MEASURED}
    limited = access.connection_limit(service) is not None
    for _ in range(_PATIENCE):
        before = refused(target, service) if limited else None
        knocks = target.knock(service, caller_of(service, application, access).path)
        if not limited or refused(target, service) == before:
            break
        time.sleep(1)
    else:
        outcomes[Reply.REFUSED] = Outcome.NOT_MEASURED  # it may be the limit of connections that has refused
    tried = [_Tried(outcomes[got.reply], words, got.words) for words, got in knocks]
    return _sum_up(f"a process outside the mesh calls {service}", "refused", tried)


def _unknown(target: Target, access: Access, service: str, wanted: Iterable[Sample]) -> Finding:
    """The identity is a real one, of the mesh's CA; only the application doesn't have it."""
    tried, may = [], False
    limited = access.connection_limit(service) is not None
    until = time.monotonic() + (_PATIENCE if limited else 0)
    for sample in wanted:
        request = Request(UNKNOWN, *sample)
        decision = access.decide(request)
        may = may or decision.allowed
        for answer in _ask(target, request, until):
            if answer.status is None or answer.status == _OVERLOADED:
                outcome = Outcome.NOT_MEASURED
            elif decision.allowed:
                outcome = Outcome.FAILS if answer.denied else Outcome.HOLDS
            else:
                refused = agrees(Question(request, service, decision), answer)
                outcome = Outcome.HOLDS if refused else Outcome.FAILS
            tried.append(_Tried(outcome, f"{sample.method} {sample.path}", str(answer.status or answer.words)))
    return _sum_up(f"an unknown identity calls {service}", "as the posture allows all" if may else "denied", tried)


def _off_the_routes(target: Target, application: Application, access: Access, wanted: Iterable[Sample]) -> Finding:
    """Paths that services have, or that lie nearby, of which the posture says that no visitor gets an answer."""
    gateway, services = application.gateway.name, application.services
    paths = dict.fromkeys([*(sample.path for sample in wanted), *(f"/{name}" for name in services), "/health"])
    tried = []
    for path in paths:
        arrival = Arrival(gateway, "GET", path)
        questions = [Question(arrival, name, access.enter(arrival, name)) for name in services]
        if any(question.decision.allowed for question in questions):
            continue
        answer = _enter(target, arrival)
        right = any(agrees(question, answer) for question in questions)
        silent = answer.status in {None, _LIMITED, _OVERLOADED}
        outcome = Outcome.HOLDS if right else Outcome.NOT_MEASURED if silent else Outcome.FAILS
        tried.append(_Tried(outcome, path, str(answer.status or answer.words)))
    return _sum_up(f"a visitor leaves the routes of {gateway}", "refused", tried)


def _ask(target: Target, request: Request, until: float) -> Sequence[Answer]:
    """The answers, asked for until then if there is none: others may have all the connections that a limit leaves."""
    while True:
        answers = target.ask(request)
        if time.monotonic() >= until or all(answer.status is not None for answer in answers):
            return answers
        time.sleep(0.05)


def _enter(target: Target, arrival: Arrival) -> Answer:
    """The answer, after some seconds if a rate at the gateway is used up."""
    for _ in range(_PATIENCE):
        answer = target.enter(arrival)
        if answer.status != _LIMITED:
            break
        time.sleep(1)
    return answer


def _sum_up(name: str, expected: str, tried: list[_Tried]) -> Finding:
    """The worst of what was tried; what holds is said by its answers alone."""
    outcome = next((worst for worst in _WORST_FIRST if any(each.outcome is worst for each in tried)), None)
    if outcome is None:
        return Finding(Section.OUTSIDE, name, Outcome.NOT_MEASURED, expected, "there is nothing to try")
    if outcome is Outcome.HOLDS:
        answers = Counter(each.answer for each in tried)
        observed = ", ".join(f"{count} x {answer}" for answer, count in answers.items())
    else:
        observed = "; ".join(f"{each.what}: {each.answer}" for each in tried if each.outcome is outcome)
    return Finding(Section.OUTSIDE, name, outcome, expected, observed)
