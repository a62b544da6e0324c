"""`posture preview` against what is deployed: a live stack, asked what a switch of its posture would mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.mesh.conftest import LiveStack

pytestmark = [pytest.mark.mesh, pytest.mark.engine]


def test_a_switch_is_explained_before_it_is_made(live: LiveStack) -> None:
    live.up("layered-allow")
    settled = live.project.posture("preview", "--stack", live.name, "--fail-on", "any").stdout
    assert settled.splitlines()[1:] == [f"✓ Nothing changes on {live.name}."]
    live.pulumi("config", "set", "posture", "deny-all")
    try:
        closing = live.project.posture("preview", "--stack", live.name, "--fail-on", "widening").stdout
        assert "## Posture: opens nothing" in closing
        assert "`layered-allow` → `deny-all`, against what is deployed" in closing
        assert "| reviews → ratings | `GET /ratings/0` |" in closing
        assert "4 to update" in closing
        live.pulumi("config", "set", "posture", "baseline")
        opening = live.project.posture("preview", "--stack", live.name, "--fail-on", "widening", check=1).stdout
        assert "⚠️ opens" in opening
    finally:
        live.pulumi("config", "set", "posture", "layered-allow")
