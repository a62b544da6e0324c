"""How attempts are summed up: what came to the same is said once."""

from __future__ import annotations

from posture.verify.bypass import _observed
from posture.verify.door import Tried
from posture.verify.findings import Outcome
from posture.verify.verdicts import Met


def wrong(what: str, instance: str, came: str = "answered (404) where the model denies") -> Tried:
    return Tried("slashes", Outcome.FAILS, Met.ANSWERED, what, instance, came)


def test_what_holds_is_counted() -> None:
    holds = [Tried("slashes", Outcome.HOLDS, each, "", "", "") for each in (Met.DENIED, Met.REFUSED, Met.DENIED)]
    assert _observed(holds, Outcome.HOLDS) == "2 denied by rule, 1 refused by proxy"


def test_an_attempt_that_came_to_the_same_at_all_instances_is_named_once() -> None:
    group = [wrong(what, instance) for instance in ("a-v1", "a-v2") for what in ("GET //x", "GET /x//")]
    assert _observed(group, Outcome.FAILS) == "answered (404) where the model denies at a-v1, a-v2: GET //x, GET /x//"


def test_instances_that_differ_are_told_apart() -> None:
    group = [wrong("GET //x", "a-v1"), wrong("GET //x", "a-v2", "answered (200) where the model denies")]
    assert _observed(group, Outcome.FAILS) == (
        "answered (404) where the model denies at a-v1: GET //x; answered (200) where the model denies at a-v2: GET //x"
    )


def test_many_are_counted() -> None:
    group = [wrong(f"GET /{number}", "a-v1") for number in range(5)]
    assert _observed(group, Outcome.FAILS).endswith(" at a-v1: GET /0, GET /1, GET /2 and 2 more")
