"""One caller at one endpoint, trying everything, on one connection at a time: a limit may leave no more than one."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from posture.verify.disguises import PLAINLY, disguises, in_http2
from posture.verify.findings import Outcome
from posture.verify.http2 import exchanges, fields
from posture.verify.raw_http import exchange, request_bytes
from posture.verify.smuggling import FAMILY, MOST_ANSWERS, smuggles
from posture.verify.verdicts import Met, is_limited, judge, judge_smuggle, met

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator

    from posture.verify.disguises import Disguise
    from posture.verify.grounds import Ground, Plain
    from posture.verify.raw_http import Exchange
    from posture.verify.target import Endpoint

__all__ = ["Door", "Tried"]

HTTP2 = "over HTTP/2"
_PATIENCE, _LIMITS_PATIENCE = 2.0, 10.0
_PAUSE = 0.1
_TIMEOUT, _SHORT_TIMEOUT = 5.0, 1.0
_FIRST_ERROR = 400


class Tried(NamedTuple):
    """One attempt at an instance: what was tried, and in words what came of it, with the model's answer."""

    family: str
    outcome: Outcome
    met: Met
    what: str
    instance: str
    came: str


@dataclass
class Door:
    """Where a caller tries, and how the model sees what it sends.

    Args:
        ground: Who tries, and what.
        endpoint: Where.
        context: With whose certificate.
        host: What the place is called in `Host`.
        decide: Whether the model allows a request.
        hostname: The name on the endpoint's certificate, where names are checked.
        witness: Counts what came through to the applications; needed where one proxy stands behind another, for the
            first makes the second's refusals look like an application's.
        patient: Whether to wait for an answer where there is none at first; not after it was in vain.
        left_for_limits: Seconds to wait, in all, where a rate is used up.
    """

    ground: Ground
    endpoint: Endpoint
    context: ssl.SSLContext
    host: str
    decide: Callable[[Disguise], bool]
    hostname: str | None = None
    witness: Callable[[], int | None] | None = None
    patient: bool = field(default=True, init=False)
    left_for_limits: float = field(default=_LIMITS_PATIENCE, init=False)

    def try_everything(self) -> Iterator[Tried]:
        """Every disguise, then every way to smuggle; only a word where nobody answers at all."""
        hello = self._ask(self._plain(self.ground.forbidden))
        if met(hello)[0] is Met.SILENCE:
            plain = str(self.ground.forbidden)
            yield Tried(PLAINLY, Outcome.NOT_MEASURED, Met.SILENCE, plain, self.endpoint.instance, _words(hello))
            return
        identity = f"{hello.peer.rpartition('/')[0]}/{self.ground.admitted}"
        for disguise in disguises(self.ground, self.host, identity):
            yield self._try_disguise(disguise)
        yield from self._smuggle()
        yield from self._try_http2(identity)

    def try_malformed_http2(self) -> Iterator[Tried]:
        """Two requests' fields in one. Envoy needs a second to close what it refuses so."""
        wanted = self.ground.forbidden
        cover = f"{self.ground.cover} HTTP/1.1\r\nhost: {self.host}\r\n\r\nGET {wanted.path}"
        tricks = {
            "a second :path": [*fields("GET", wanted.path, self.host), (":path", self.ground.cover)],
            "a second request in :path": fields("GET", cover, self.host),
        }
        found = exchanges(self.context, self.endpoint, tricks.values(), hostname=self.hostname, timeout=_TIMEOUT)
        for words, each in zip(tricks, found, strict=True):
            answer = met(each)[0]
            outcome = judge(answer, allowed=False, plain=False)
            yield Tried(HTTP2, outcome, answer, words, self.endpoint.instance, f"{answer} ({_words(each)})")

    def _try_http2(self, identity: str) -> Iterator[Tried]:
        """Every disguise that HTTP/2 can say, on one connection; one alone where nobody speaks it."""
        said = [each for each in disguises(self.ground, self.host, identity) if in_http2(each)]
        asked = [fields(each.method, each.target, each.host, each.others.items()) for each in said]
        found = exchanges(self.context, self.endpoint, asked, hostname=self.hostname, timeout=_TIMEOUT)
        for disguise, first in zip(said, found, strict=False):
            again = partial(self._again, disguise)
            each = self._until_answered(time.monotonic(), first, again)
            yield self._judged(HTTP2, disguise, each, again, allowed=self.decide(disguise))
            if disguise is said[0] and not each.responses:
                return

    def _until_answered(self, begun: float, found: Exchange, again: Callable[[], Exchange]) -> Exchange:
        """Ask again for a while where there is no answer: a place may get free. If none did, don't wait again."""
        until = begun + (_PATIENCE if self.patient else 0)
        while met(found)[0] is Met.SILENCE and time.monotonic() < until:
            time.sleep(_PAUSE)
            found = again()
        answer = met(found)[0]
        self.patient = answer in {Met.ANSWERED, Met.DENIED} or (self.patient and answer is not Met.SILENCE)
        return found

    def _again(self, disguise: Disguise) -> Exchange:
        request = fields(disguise.method, disguise.target, disguise.host, disguise.others.items())
        return next(exchanges(self.context, self.endpoint, [request], hostname=self.hostname, timeout=_TIMEOUT))

    def _try_disguise(self, disguise: Disguise) -> Tried:
        ask = partial(self._ask, disguise.data, method=disguise.method)
        return self._judged(disguise.family, disguise, ask(), ask, allowed=self.decide(disguise))

    def _judged(
        self, family: str, what: Disguise | str, found: Exchange, again: Callable[[], Exchange], *, allowed: bool
    ) -> Tried:
        """Hold an answer against the model's; ``again`` asks once more, to see whose answer it is."""
        answer = met(found)[0]
        if self.witness and answer is Met.ANSWERED and not allowed and found.responses[0].status >= _FIRST_ERROR:
            before = self.witness()
            found = again()
            answer = met(found)[0]
            if answer is Met.ANSWERED and before is not None and self.witness() == before:
                answer = Met.REFUSED
        outcome = judge(answer, allowed=allowed, plain=family == PLAINLY)
        came = f"{answer} ({_words(found)}) where the model {'allows' if allowed else 'denies'}"
        return Tried(family, outcome, answer, str(what), self.endpoint.instance, came)

    def _smuggle(self) -> Iterator[Tried]:
        next_one = self._plain(self.ground.permitted or self.ground.forbidden)
        usual = [self._unlimited(next_one) for _ in range(2)]
        for each in smuggles(self.ground, self.host):
            found = self._ask(each.data, MOST_ANSWERS)
            answers = met(found)
            outcome = judge_smuggle(answers, outer_allowed=self.ground.permitted is not None)
            came = _words(found)
            if outcome is Outcome.HOLDS and answers[0] is Met.ANSWERED:
                after = self._unlimited(next_one)
                if met(after)[0] is Met.SILENCE or any(map(is_limited, (after, *usual))):
                    outcome = Outcome.NOT_MEASURED
                elif _differs(after, usual):
                    outcome, came = Outcome.FAILS, f"{came}, and who came next got {_words(after)}"
            yield Tried(FAMILY, outcome, answers[0], each.words, self.endpoint.instance, came)

    def _plain(self, plain: Plain) -> bytes:
        return request_bytes(plain.method, plain.path, [("Host", self.host), *plain.headers])

    def _unlimited(self, data: bytes) -> Exchange:
        """Ask, and again while a limit answers, which may be one further on: that says nothing of who came before."""
        while is_limited(found := self._ask(data)) and self.left_for_limits > 0:
            time.sleep(_PAUSE)
            self.left_for_limits -= _PAUSE
        return found

    def _ask(self, data: bytes, wanted: int = 1, method: str = "GET") -> Exchange:
        ask = partial(
            exchange,
            self.context,
            self.endpoint,
            data,
            method=method,
            hostname=self.hostname,
            wanted=wanted,
            timeout=_TIMEOUT if self.patient else _SHORT_TIMEOUT,
        )
        return self._until_answered(time.monotonic(), ask(), ask)


def _differs(after: Exchange, usual: list[Exchange]) -> bool:
    """Whether an answer is another than usual: by its status, and by its body where that is always the same."""
    if {each.status for each in after.responses} - {each.status for one in usual for each in one.responses}:
        return True
    bodies = {each.body for one in usual for each in one.responses}
    return len(bodies) == 1 and {each.body for each in after.responses} != bodies


def _words(found: Exchange) -> str:
    return ", then ".join(str(each.status) for each in found.responses) or found.end
