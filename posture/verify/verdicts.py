"""What an attempt met with, and whether that is as it should be.

An answer of the application where the model denies is a bypass. Whose answer it is shows in Envoy's
`x-envoy-upstream-service-time`: only an answer from behind a proxy bears it (a success comes from there anyway).
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from posture.verify.findings import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from posture.verify.raw_http import Exchange, Response

__all__ = ["Met", "is_limited", "judge", "judge_smuggle", "met"]

_OK, _REDIRECT, _FORBIDDEN = 200, 300, 403
_OF_LIMITS = {429, 503}
"""What limits answer: nothing of the rules, which deny before a limit counts."""
_FROM_BEHIND = "x-envoy-upstream-service-time"
_DENIED = b"RBAC: access denied"


class Met(StrEnum):
    """What a request met with."""

    ANSWERED = "answered"
    DENIED = "denied by rule"
    REFUSED = "refused by proxy"
    SILENCE = "no answer"


def met(found: Exchange) -> list[Met]:
    """What each answer is; with none, what became of the request: at least one."""
    if found.responses:
        return [_met(response) for response in found.responses]
    return [Met.REFUSED if found.connected and found.end.startswith("closed") else Met.SILENCE]


def is_limited(found: Exchange) -> bool:
    """Whether a limit has answered, whoever's: where there is more to let through, the answer will be another."""
    return any(response.status in _OF_LIMITS for response in found.responses)


def judge(answer: Met, *, allowed: bool, plain: bool) -> Outcome:
    """Whether it is as it should be; what is written ``plain`` must not be refused where it is allowed."""
    if answer is Met.SILENCE:
        return Outcome.NOT_MEASURED
    wanted = {Met.ANSWERED} if allowed else {Met.DENIED, Met.REFUSED}
    if allowed and not plain:
        wanted.add(Met.REFUSED)
    return Outcome.HOLDS if answer in wanted else Outcome.FAILS


def judge_smuggle(answers: Sequence[Met], *, outer_allowed: bool) -> Outcome:
    """Whether the application has answered the outer request at most, and that only where it is allowed."""
    first, *more = answers
    if Met.ANSWERED in more or (first is Met.ANSWERED and not outer_allowed):
        return Outcome.FAILS
    return Outcome.NOT_MEASURED if first is Met.SILENCE else Outcome.HOLDS


def _met(response: Response) -> Met:
    if response.status == _FORBIDDEN and response.body.startswith(_DENIED):
        return Met.DENIED
    if _FROM_BEHIND in response.headers or _OK <= response.status < _REDIRECT:
        return Met.ANSWERED
    return Met.SILENCE if response.status in _OF_LIMITS else Met.REFUSED
