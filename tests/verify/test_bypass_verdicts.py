from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from posture.verify.findings import Outcome
from posture.verify.raw_http import Exchange, Response
from posture.verify.verdicts import Met, judge, judge_smuggle, met

if TYPE_CHECKING:
    from collections.abc import Mapping

NONE: Mapping[str, str] = {}
BEHIND = {"x-envoy-upstream-service-time": "1"}
A, D, R, S = Met.ANSWERED, Met.DENIED, Met.REFUSED, Met.SILENCE


def of(status: int, body: bytes = b"", headers: Mapping[str, str] = NONE) -> Exchange:
    return Exchange((Response(status, dict(headers), body),))


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (of(200), A),
        (of(404, b"", BEHIND), A),
        (of(403, b"no", BEHIND), A),
        (of(503, b"", BEHIND), A),
        (of(403, b"RBAC: access denied"), D),
        (of(403, b"RBAC: access denied", BEHIND), D),
        (of(400), R),
        (of(404), R),
        (of(307), R),
        (of(503), S),
        (of(429), S),
        (of(429, b"", BEHIND), A),
        (Exchange((), "closed"), R),
        (Exchange((), "closed: reset", connected=False), S),
        (Exchange((), "no answer in 5 s"), S),
    ],
)
def test_an_answer_is_known_by_who_gave_it(found: Exchange, expected: Met) -> None:
    assert met(found) == [expected]


@pytest.mark.parametrize(
    ("answer", "allowed", "plain", "expected"),
    [
        (A, True, False, Outcome.HOLDS),
        (R, True, False, Outcome.HOLDS),
        (R, True, True, Outcome.FAILS),
        (D, True, False, Outcome.FAILS),
        (A, False, False, Outcome.FAILS),
        (A, False, True, Outcome.FAILS),
        (D, False, False, Outcome.HOLDS),
        (R, False, True, Outcome.HOLDS),
        (S, True, False, Outcome.NOT_MEASURED),
        (S, False, False, Outcome.NOT_MEASURED),
    ],
)
def test_an_attempt_is_refused_or_decided_as_what_it_is(
    answer: Met, *, allowed: bool, plain: bool, expected: Outcome
) -> None:
    assert judge(answer, allowed=allowed, plain=plain) is expected


@pytest.mark.parametrize(
    ("answers", "outer_allowed", "expected"),
    [
        ([R], True, Outcome.HOLDS),
        ([A, D], True, Outcome.HOLDS),
        ([A], True, Outcome.HOLDS),
        ([D, D], False, Outcome.HOLDS),
        ([A, A], True, Outcome.FAILS),
        ([R, A], True, Outcome.FAILS),
        ([A, D], False, Outcome.FAILS),
        ([S], True, Outcome.NOT_MEASURED),
    ],
)
def test_only_an_allowed_outer_request_is_answered(
    answers: list[Met], *, outer_allowed: bool, expected: Outcome
) -> None:
    assert judge_smuggle(answers, outer_allowed=outer_allowed) is expected
