"""The pack as it is shipped, under the real engine, on the project's own program with no mesh that runs."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from posture.model.posture import available
from tests.conftest import Project
from tests.policies.conftest import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = pytest.mark.engine
POSTURES = available(ROOT / "stacks")
CARELESS = """
description: careless
extends: deny-all
grants: [{name: wide, from: reviews, to: ratings, permissions: [{pathPrefix: /ratings, methods: [GET]}]}]
"""


@dataclass(frozen=True)
class Shipped:
    """A copy of the project with its ready stacks, one for each posture."""

    project: Project
    environment: Mapping[str, str]

    def preview(self, stack: str, check: int) -> str:
        """What the engine says of a stack, at the levels that the rules have."""
        self.pulumi("stack", "init", stack)
        pack = str(ROOT / "policies")
        return self.pulumi("preview", "--non-interactive", "--stack", stack, "--policy-pack", pack, check=check)

    def pulumi(self, *arguments: str, check: int = 0) -> str:
        done = self.project.run("pulumi", *arguments, check=check, variables=self.environment)
        return done.stdout + done.stderr


@pytest.fixture(scope="module")
def shipped(pulumi_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Shipped:
    folder = tmp_path_factory.mktemp("shipped")
    for posture in POSTURES:
        shutil.copy(ROOT / f"Pulumi.{posture}.yaml", folder)
    return Shipped(Project.copied(folder), pulumi_environment)


@pytest.mark.parametrize("posture", POSTURES)
def test_no_rule_refuses_a_posture_that_is_shipped(shipped: Shipped, posture: str) -> None:
    said = shipped.preview(posture, check=0)
    assert re.search(rf"\bposture: \"{posture}\"", said)
    assert "consul-posture@" in said.partition("Policies:")[2]
    assert "[mandatory]" not in said


def test_a_rule_refuses_what_a_posture_makes_of_the_program(shipped: Shipped) -> None:
    (shipped.project.folder / "stacks" / "careless.yaml").write_text(CARELESS)
    (shipped.project.folder / "Pulumi.careless.yaml").write_text("config: {'consul-posture:posture': careless}\n")
    said = shipped.preview("careless", check=1)
    assert re.findall(r"\[mandatory\].*(CP\d+)", said) == ["CP203"]
    assert "service-intentions/ratings prefix /ratings also matches /ratingsX" in said
