"""`posture preview` against what is deployed: a live stack, asked what a switch of its posture would mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

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


def test_a_service_that_goes_is_shown_as_gone_whatever_others_have_changed(live: LiveStack) -> None:
    live.up("layered-allow")
    file = live.project.folder / "apps" / "bookinfo.yaml"
    before = file.read_text()
    application = yaml.safe_load(before)
    del application["services"]["ratings"]
    for service in application["services"].values():
        service["calls"] = [call for call in service.get("calls", ()) if call["to"] != "ratings"]
    few = "description: few\ngrants: [{name: visitors, from: gateway, to: productpage}]\n"
    (live.project.folder / "stacks" / "few.yaml").write_text(few)

    def said() -> str:
        return live.project.posture("preview", "--stack", live.name).stdout

    live.pulumi("config", "set", "posture", "few")
    file.write_text(yaml.safe_dump(application))
    try:
        alone = said()
        with live.consul() as consul:
            consul.put("/v1/connect/intentions/exact?source=fortio&destination=details", json={"Action": "allow"})
        drifted = said()
        for each in (alone, drifted):
            fields = [line for line in each.splitlines() if line.startswith("| `service-") and "/ratings`" in line]
            assert [line.endswith("| `null` |") for line in fields] == [True, True], "what is there after"
            assert "| ❌ CP702" not in each, "nobody is judged for what goes"
        assert "| fortio → details | `GET /details/0` |" in drifted
        assert "| fortio → details | `GET /details/0` |" not in alone
    finally:
        file.write_text(before)
        live.up("layered-allow")
