"""Runs of random cases against a lab, with what has been asked in them, and the least disagreement kept as a file."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, Phase, given, seed, settings

from posture.model.access import Access
from tests.fuzz.cases import DEFAULTS, Case, Disagreement, expected
from tests.fuzz.shrinking import shrink
from tests.fuzz.strategies import cases

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from posture.model.entries import Entry
    from tests.fuzz.lab import Lab

__all__ = ["Fuzz"]

REQUESTS_EACH = 20


class Fuzz:
    """Asks a lab.

    Args:
        lab: A mesh.
        folder: Where a disagreement is kept.
        model: What makes the model of some entries.
    """

    def __init__(self, lab: Lab, folder: Path, model: Callable[[Iterable[Entry]], Access] = Access) -> None:
        self.meshes = self.requests = self.allowed = 0
        self._lab, self._folder, self._model = lab, folder, model

    def run(self, number: int, meshes: int) -> None:
        """Ask so many random meshes; the same number is the same meshes.

        Raises:
            Disagreement: Made small, and kept.
        """

        @seed(number)
        @settings(
            max_examples=meshes,
            deadline=None,
            database=None,
            phases=(Phase.generate,),
            suppress_health_check=(HealthCheck.too_slow, HealthCheck.data_too_large),
            print_blob=False,
        )
        @given(cases(REQUESTS_EACH))
        def agrees(case: Case) -> None:
            if error := self.ask(case):
                raise error

        try:
            agrees()
        except Disagreement as error:
            found = error
            least = self.ask(shrink(found.case, lambda case: found.is_like(self.ask(case)))) or found
            least.add_note(f"seed {number}; kept as {self._keep(least)}")
            raise least from None

    def ask(self, case: Case) -> Disagreement | None:
        """The first request of a case to which Envoy's answer is not the model's."""
        access = self._model((*DEFAULTS, *case.entries))
        self._lab.apply(case)
        self.meshes += 1
        for ask in case.asks:
            model, envoy = expected(access, ask), self._lab.ask(ask)
            self.requests += 1
            self.allowed += envoy.target is not None
            if model != envoy:
                return Disagreement(case.about(ask), model, envoy)
        return None

    def _keep(self, least: Disagreement) -> str:
        text = json.dumps(least.json, indent=1) + "\n"
        file = self._folder / f"{hashlib.sha256(text.encode()).hexdigest()[:12]}.json"
        file.write_text(text)
        return file.name
