"""Plain `pulumi`, in a shell that has sourced what `posture env` prints, does what `posture` does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from posture.local.consul import Consul
from posture.local.tokens import load_secrets

if TYPE_CHECKING:
    from pathlib import Path

    from tests.mesh.conftest import LiveStack

pytestmark = [pytest.mark.mesh, pytest.mark.engine]


def test_up_shows_a_tree_and_switches_in_place(live: LiveStack) -> None:
    live.up("layered-allow")
    live.pulumi("config", "set", "posture", "deny-all")
    preview = live.pulumi("preview", "--diff")
    assert "service-intentions/details" in preview
    assert "configJson" in preview
    live.pulumi("up", "--yes", "--skip-preview")
    assert live.last_update() == {"update": 4}
    assert json.loads(live.pulumi("stack", "output", "--json"))["grants"] == ["visitors"]
    live.up("layered-allow")


def test_a_config_file_of_ones_own_can_be_given(live: LiveStack, tmp_path: Path) -> None:
    live.up("layered-allow")
    file = tmp_path / "other.yaml"
    original = live.project.folder / f"Pulumi.{live.name}.yaml"
    file.write_text(original.read_text().replace("layered-allow", "deny-all"))
    summary = json.loads(live.pulumi("preview", "--json", "--config-file", str(file)))["changeSummary"]
    assert {kind: count for kind, count in summary.items() if kind != "same"} == {"update": 4}


def test_a_policy_pack_is_asked(live: LiveStack, tmp_path: Path) -> None:
    live.up("layered-allow")
    (tmp_path / "PulumiPolicy.yaml").write_text("runtime: python\nversion: 0.0.1\n")
    (tmp_path / "__main__.py").write_text(
        "from pulumi_policy import EnforcementLevel, PolicyPack, ResourceValidationPolicy\n"
        "def check(args, report):\n"
        "    if args.resource_type == 'consul:index/configEntry:ConfigEntry' and args.props['kind'] == 'mesh':\n"
        "        report('no mesh today')\n"
        "PolicyPack('test', [ResourceValidationPolicy('no-mesh', 'd', check, EnforcementLevel.MANDATORY)])\n"
    )
    said = live.pulumi("preview", "--policy-pack", str(tmp_path), check=None)
    assert "no mesh today" in said
    assert "mesh/mesh" in said


def test_a_refused_write_names_the_entry_and_consuls_words_and_the_next_up_completes(live: LiveStack) -> None:
    live.up("layered-allow")
    live.pulumi("config", "set", "posture", "deny-all")
    secrets = load_secrets(live.layout.secrets)
    assert secrets
    with Consul(live.layout.consul_address, secrets.management) as consul:
        rules = 'service_prefix "" { policy = "read" intentions = "read" } mesh = "read" operator = "read"'
        consul.call("PUT", "/acl/policy", {"Name": "reader", "Rules": rules})
        token = consul.call("PUT", "/acl/token", {"Policies": [{"Name": "reader"}]})["SecretID"]
    variables = {**live.variables, "CONSUL_HTTP_TOKEN": token}
    done = live.project.run(
        *("pulumi", "up", "--yes", "--skip-preview", "--stack", live.name), check=None, variables=variables
    )
    assert done.returncode != 0
    assert "service-intentions/" in done.stdout + done.stderr
    assert "lacks permission 'intention:write'" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    live.up("deny-all")
    assert live.changes() == {}


def test_drift_is_shown_and_healed(live: LiveStack) -> None:
    live.up("layered-allow")
    widened = {
        "Kind": "service-intentions",
        "Name": "ratings",
        "Sources": [{"Name": "*", "Type": "consul", "Action": "allow"}],
    }
    with live.consul() as consul:
        consul.put("/v1/config", json=widened).raise_for_status()
    live.pulumi("refresh", "--yes", "--skip-preview")
    assert live.changes() == {"update": 1}
    live.up("layered-allow")
    assert live.entries()["service-intentions/ratings"]["Sources"][0]["Name"] == "reviews"


def test_destroy_leaves_no_entry_and_up_brings_all_back(live: LiveStack) -> None:
    live.up("layered-allow")
    live.pulumi("destroy", "--yes", "--skip-preview")
    assert live.entries() == {}
    live.up("layered-allow")
    assert live.page().status_code == 200
