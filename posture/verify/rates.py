"""Rates under load: what is let through is the rate and a burst, the rest is told when to come back, and to whom.

Each rate is met by a caller for whom it is the first to be used up, with twice as many requests as it lets through.
A control of the same run loads a service without a rate.
"""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

from posture.model.limiter import LIMITED_BY
from posture.model.rates import PER_CALLER, is_per_caller, rate_words, rates_of
from posture.verify.findings import Finding, Moment, Outcome, Section
from posture.verify.meetings import Meeting, lasting, meetings
from posture.verify.raw_http import exchange, request_bytes
from posture.verify.target import Pace

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from posture.model.access import Access
    from posture.model.application import Application
    from posture.model.limits import Rate
    from posture.verify.raw_http import Response
    from posture.verify.target import NearTarget, Offered, Reply

__all__ = ["Load", "rates_findings"]

_SECONDS = 3.0
_ENOUGH = 10
"""Requests let through, so that one more or less is within the tolerance."""

_TOLERANCE = 0.1
_MOST_SECONDS, _MOST_PER_SECOND = 20.0, 400.0
_AT_LEAST = 1.2
"""Times what is let through that must have been sent for a figure to say anything."""

_RECOVERED = 5
_GREEDY, _POLITE = 4, 0.5
"""Times what one caller is let through, and times its rate."""

_TRIED = 8
_TRIES = 3
"""On a machine that is busy with other things too few may be sent in time."""

_LIMITED, _ERROR = 429, 500
_SLICES = 24


def rates_findings(target: NearTarget, application: Application, access: Access) -> list[Finding]:
    """Meet each rate, then two callers at once where callers have rates of their own; and the control.

    Sends what the rates are meant to refuse: for some seconds each, at most 400 requests a second.
    """
    load = Load(target, application)
    findings: list[Finding] = []
    fastest = 0.0
    for service, limit in access.limits.items():
        for aspect, rate in rates_of(limit):
            name = f"{service}: {rate_words(rate)} {aspect}"
            meeting = load.quickest(meetings(target, application, access, service, aspect))
            findings += load.meet(name, meeting, rate)
            fastest = max(fastest, _twice(rate))
            if is_per_caller(aspect):
                several = load.alike(meetings(target, application, access, service, aspect))
                which = "" if aspect == PER_CALLER else f", {aspect.removesuffix(PER_CALLER).strip()}"
                findings.append(load.share(f"{service}: a greedy caller beside a polite one{which}", several, rate))
        others = [each.instance for each in target.sidecars(service)[1:]] if service in application.services else []
        if others and any(rates_of(limit)):
            words = "the first instance was loaded alone, to whose entry all are bound"
            findings.append(_unmeasured(f"{service}: rates at {', '.join(others)}", "as at the first", words))
    if findings:
        findings.append(_control(target, application, access, min(fastest, _MOST_PER_SECOND)))
    return findings


@dataclass
class Load:
    """Sends requests; remembers when each service was last sent any, for its buckets fill up in the meantime."""

    target: NearTarget
    application: Application
    most_per_second: float = _MOST_PER_SECOND

    def __post_init__(self) -> None:
        """Nothing is known of the time before."""
        self._begun = time.monotonic()
        self._last: dict[str, float] = {}

    def quickest(self, several: Iterable[Meeting]) -> Meeting | None:
        """The one that is answered in the shortest time, so that the service itself is not what limits it."""

        def took(meeting: Meeting) -> float:
            begun = time.monotonic()
            self._ask(meeting)
            return time.monotonic() - begun

        return min(islice(several, _TRIED), key=took, default=None)

    def alike(self, several: Iterable[Meeting]) -> list[Meeting]:
        """Those of different callers by the request that is answered in the shortest time."""
        found = list(several)
        chosen = self.quickest(found)
        return [each for each in found if chosen and (each.method, each.path) == (chosen.method, chosen.path)]

    def meet(self, name: str, meeting: Meeting | None, rate: Rate) -> list[Finding]:
        """A rate under load, then whether it has recovered from that."""
        seconds = _seconds(rate)
        expected = f"{lasting(rate, seconds):.0f} in {seconds:g} s, the rest 429"
        recovers = f"{name}, after the load"
        if meeting is None:
            return [_unmeasured(name, expected, "nobody may send what would meet it before any other limit")]
        if meeting.places == 1:
            return [_unmeasured(name, expected, "its only connection is now and then taken by Consul's check")]
        why = self._too_much(meeting, rate, seconds)
        if why:
            return [_unmeasured(name, expected, why)]
        for _ in range(_TRIES):
            self._fill(meeting)
            found = self._offer(meeting, _twice(rate), seconds)
            told = self._refusal(meeting)
            first = _met(name, found, rate, told, meeting)
            if first.outcome is not Outcome.NOT_MEASURED:
                break
        return [first, self._recovered(recovers, meeting, rate)]

    def share(self, name: str, several: Sequence[Meeting], rate: Rate) -> Finding:
        """Two callers at once, one of them greedy: the polite one must lose nothing."""
        seconds = max(_SECONDS, 2 / rate.requests_per_second)
        expected = "the polite one loses nothing"
        if len(several) < 2:  # noqa: PLR2004 - a greedy one and a polite one
            return _unmeasured(name, expected, "fewer than two callers may call it")
        greedy, polite = several[0], replace(several[1], connections=1)
        pace = _GREEDY * lasting(rate, seconds) / seconds
        why = _says_nothing(greedy, polite, rate, seconds)
        if not why and pace > self.most_per_second:
            why = f"would take {pace:.0f} requests a second"
        if why:
            return _unmeasured(name, expected, why)
        self._fill(polite)
        with ThreadPoolExecutor(2) as pool:
            of_greedy = pool.submit(self._offer, greedy, pace, seconds)
            of_polite = pool.submit(self._offer, polite, _POLITE * rate.requests_per_second, seconds)
            took, got = of_greedy.result().replies, of_polite.result().replies
        lost = [reply for reply in got if not _is_admitted(reply)]
        bound = lasting(rate, seconds) * (1 + _TOLERANCE) + 1
        if len(took) <= bound:
            return _unmeasured(name, expected, f"the greedy one could send only {len(took)} in time")
        holds = bool(got) and not lost and _count(took) <= bound
        words = (
            f"{polite.source} was let through {_count(got)} of {len(got)} times, "
            f"{greedy.source} {_count(took)} of {len(took)} times"
        )
        return _finding(name, expected, words, got, holds=holds)

    def _too_much(self, meeting: Meeting, rate: Rate, seconds: float) -> str:
        fill = max(each.capacity / each.requests_per_second for _, each in meeting.rates)
        longest = max(seconds, fill, _recovery(rate, meeting)[1])
        if longest > _MOST_SECONDS:
            return f"would take {longest:.0f} s"
        return f"would take {_twice(rate):.0f} requests a second" if _twice(rate) > self.most_per_second else ""

    def _fill(self, meeting: Meeting) -> None:
        """Wait until all buckets on the way are full, whoever has taken from them."""
        for service, rate in meeting.on_the_way:
            passed = time.monotonic() - self._last.get(service, self._begun)
            time.sleep(max(rate.capacity / rate.requests_per_second - passed, 0))

    def _offer(self, meeting: Meeting, per_second: float, seconds: float) -> Offered:
        pace = Pace(meeting.path, per_second, seconds, meeting.connections, meeting.method)
        found = self.target.offer(meeting.identity, meeting.endpoint, pace)
        self._touch(meeting)
        return found

    def _refusal(self, meeting: Meeting) -> Response | None:
        """What somebody is told who comes when nothing is left."""
        for _ in range(20):
            for response in self._ask(meeting):
                if response.status == _LIMITED:
                    return response
        return None

    def _recovered(self, name: str, meeting: Meeting, rate: Rate) -> Finding:
        count, wait = _recovery(rate, meeting)
        time.sleep(wait)
        answers = [response.status for _ in range(count) for response in self._ask(meeting)]
        passed = sum(status != _LIMITED for status in answers)
        words = f"{passed} of {count} let through, {wait:.1f} s later"
        outcome = Outcome.HOLDS if passed == count else Outcome.FAILS
        return Finding(Section.LIMITS, name, outcome, f"{count} let through again", words)

    def _ask(self, meeting: Meeting) -> Sequence[Response]:
        visitor = meeting.identity is None
        gateway = self.application.gateway
        hostname, host = (gateway.host, gateway.authority) if visitor else (None, meeting.service)
        asked = request_bytes(meeting.method, meeting.path, [("Host", host)])
        context = self.target.entrance_context() if visitor else self.target.context(meeting.identity)
        self._touch(meeting)
        return exchange(context, meeting.endpoint, asked, method=meeting.method, hostname=hostname).responses

    def _touch(self, meeting: Meeting) -> None:
        self._last |= {service: time.monotonic() for service, _ in meeting.on_the_way}


def _control(target: NearTarget, application: Application, access: Access, per_second: float) -> Finding:
    for service in application.services:
        limit = access.limits.get(service)
        if (limit is None or not limit.has_rates) and access.connection_limit(service) is None:
            meeting = Load(target, application).quickest(meetings(target, application, access, service, None))
            if meeting:
                pace = Pace(meeting.path, per_second, _SECONDS, meeting.connections, meeting.method)
                replies = target.offer(meeting.identity, meeting.endpoint, pace).replies
                name, expected = f"{service}: no rate, as a control", "no 429"
                words = f"{_count(replies)} of {len(replies)} let through at {per_second:g}/s"
                return _finding(name, expected, words, replies, holds=_count(replies) == len(replies) > 0)
    return _unmeasured("a service without a rate, as a control", "no 429", "there is none that anybody may call")


def _says_nothing(greedy: Meeting, polite: Meeting, rate: Rate, seconds: float) -> str:
    """Why a load by both would say nothing of the rate; empty if it does."""
    shared = [each for aspect, each in polite.rates if not is_per_caller(aspect)]
    wanted = _POLITE * rate.requests_per_second * seconds + polite.connections
    if any(lasting(each, seconds) < lasting(rate, seconds) + wanted for each in shared):
        return "what they share is less than they may send together"
    if polite.places is not None and polite.places < greedy.connections + polite.connections + 1:
        return "it takes too few connections for two callers and Consul's check"
    if rate.capacity <= polite.connections:
        return "what is sent before the first request that is noted uses it up"
    return ""


def _met(name: str, found: Offered, rate: Rate, told: Response | None, meeting: Meeting) -> Finding:
    """What came before the first request may have found the bucket full, and is lost then; it is little, as a rule."""
    replies = found.replies
    seconds = replies[-1].at - found.begun if replies else 0
    wanted = lasting(rate, seconds) - min(found.unseen, rate.capacity)
    spilt = rate.requests_per_second * (replies[0].at - found.begun) if replies else 0
    passed = _count(replies)
    expected = f"{wanted:.0f} in {seconds:.1f} s, the rest 429"
    if len(replies) < _AT_LEAST * wanted:
        return _unmeasured(name, expected, f"only {len(replies)} could be sent in time")
    words = f"{passed} of {len(replies)} let through"
    named = (told.headers.get(LIMITED_BY), told.headers.get("retry-after")) if told else (None, None)
    if told:
        words += f"; the rest by {named[0] or 'nobody'}, to come back in {named[1] or 'unknown'} s"
    tolerance = max(_TOLERANCE * wanted, 1)
    within = wanted - spilt - tolerance <= passed <= wanted + tolerance
    right_name = told is None or named[0] == f"{meeting.service} {name.partition(': ')[2]}"
    bad = [reply for reply in replies if not _is_admitted(reply) and reply.status != _LIMITED]
    return _finding(name, expected, words, replies, holds=within and right_name and not bad)


def _seconds(rate: Rate) -> float:
    return max(_SECONDS, (_ENOUGH - rate.capacity) / rate.requests_per_second)


def _twice(rate: Rate) -> float:
    return 2 * lasting(rate, _seconds(rate)) / _seconds(rate)


def _recovery(rate: Rate, meeting: Meeting) -> tuple[int, float]:
    """How many to send after a load, and the seconds until there are tokens for them; with a little more, for clocks.

    They come one by one, each on a connection of its own, so that one worker may get them all.
    """
    count = max(1, min(rate.capacity // meeting.workers, _RECOVERED))
    return count, count * meeting.workers / rate.requests_per_second + 0.1


def _is_admitted(reply: Reply) -> bool:
    return reply.status is not None and reply.status != _LIMITED and reply.status < _ERROR


def _count(replies: Iterable[Reply]) -> int:
    return sum(map(_is_admitted, replies))


def _finding(name: str, expected: str, words: str, replies: Sequence[Reply], *, holds: bool) -> Finding:
    outcome = Outcome.HOLDS if holds else Outcome.FAILS
    counts = Counter("no answer" if reply.status is None else str(reply.status) for reply in replies)
    return Finding(Section.LIMITS, name, outcome, expected, words, dict(counts), tuple(_moments(replies)))


def _moments(replies: Sequence[Reply]) -> Iterator[Moment]:
    """Slices of time with the requests a second in each."""
    if not replies:
        return
    begun = replies[0].at
    width = max((replies[-1].at - begun) / _SLICES, 0.1)
    slices: dict[int, list[Reply]] = {}
    for reply in replies:
        slices.setdefault(int((reply.at - begun) / width), []).append(reply)
    for number in range(max(slices)):  # the last one is not a whole slice
        mine = slices.get(number, [])
        yield Moment(round(number * width, 3), round(len(mine) / width, 1), round(_count(mine) / width, 1))


def _unmeasured(name: str, expected: str, why: str) -> Finding:
    return Finding(Section.LIMITS, name, Outcome.NOT_MEASURED, expected, why)
