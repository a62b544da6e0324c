"""Instances that fail, and the sidecar of who calls them: a real Envoy, asked through its own upstream."""

from __future__ import annotations

import math
import time
from collections import Counter
from typing import TYPE_CHECKING

import httpx
import pytest

from posture.local.envoy import admin
from tests.conftest import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.mesh.conftest import LiveStack

pytestmark = pytest.mark.mesh
ALL, MAX_FAILURES, EJECTION = {"v1", "v2", "v3"}, 3, 3.0


class Front:
    """Asks `back` as the front does; an answer is the version that gave it, and whether it failed."""

    def __init__(self, stack: LiveStack, folder: Path) -> None:
        self.url = stack.instance("front-v1").environment["BACK_URL"]
        self.layout, self.folder = stack.layout, folder
        self.client = httpx.Client(timeout=5, trust_env=False)

    def ask(self) -> tuple[str, bool]:
        answer = self.client.get(f"{self.url}/")
        return answer.text, answer.is_server_error

    def answers(self, count: int, until: float = math.inf) -> Counter[tuple[str, bool]]:
        """So many, or as many as there are until then (monotonic seconds)."""
        return Counter(self.ask() for _ in range(count) if time.monotonic() < until)

    def left_out(self) -> int:
        return self._count("ejections_active")

    def ejections(self) -> int:
        return self._count("ejections_enforced_consecutive_5xx")

    def _count(self, name: str) -> int:
        found = admin(self.layout, "front-v1", rf"/stats?filter=^cluster\.back\..*outlier_detection\.{name}$")
        assert found
        return sum(int(line.rpartition(": ")[2]) for line in found.text.splitlines())

    def until_left_out(self) -> tuple[Counter[tuple[str, bool]], float]:
        """What was answered until one more instance was left out, and when (monotonic seconds)."""
        before, seen = self.ejections(), Counter[tuple[str, bool]]()
        while self.ejections() == before:
            seen[self.ask()] += 1
            assert seen.total() < 200, seen
        return seen, time.monotonic()

    def breaks(self, version: str) -> None:
        (self.folder / version).touch()

    def mends(self, version: str) -> None:
        (self.folder / version).unlink(missing_ok=True)

    def serves_with_all(self) -> bool:
        return self.left_out() == 0 and {version for version, _ in self.answers(9)} == ALL


@pytest.fixture
def front(shaky: tuple[LiveStack, Path]) -> Iterator[Front]:
    found = Front(*shaky)
    eventually(found.serves_with_all, seconds=60)
    time.sleep(1.1)  # Envoy gathers what happens to hosts within a second of the last change (measured)
    yield found
    for version in ALL:
        found.mends(version)
    found.client.close()


def test_an_instance_that_fails_is_left_out_for_a_time_and_comes_back(front: Front) -> None:
    front.breaks("v1")
    seen, begun = front.until_left_out()
    assert seen["v1", True] == MAX_FAILURES, "it is left out at once, not at the next look"
    others = front.answers(30, until=begun + EJECTION - 1)
    assert {version for version, _ in others} == ALL - {"v1"}
    assert not any(failed for _, failed in others), "nobody meets a failure any more"
    assert front.left_out() == 1
    front.mends("v1")
    eventually(lambda: front.left_out() == 0, seconds=20)
    assert EJECTION - 0.5 <= time.monotonic() - begun <= EJECTION + 3, "its time, and up to one interval"
    assert {version for version, _ in front.answers(30)} == ALL


def test_other_answers_than_5xx_in_between_begin_the_count_anew(front: Front) -> None:
    before = front.ejections()
    for _ in range(3):
        front.breaks("v2")
        while front.ask() != ("v2", True):
            pass
        front.mends("v2")
        while front.ask() != ("v2", False):
            pass
    assert front.ejections() == before


def test_no_more_than_half_of_the_instances_are_left_out(front: Front) -> None:
    front.breaks("v1")
    front.breaks("v3")
    _, begun = front.until_left_out()
    seen = front.answers(60, until=begun + EJECTION - 1)
    assert front.left_out() == 1
    assert len({version for version, failed in seen if failed}) == 1, "the other one goes on failing"
