"""What is judged of the engine's log of events, which leaves out secrets: that counts as what isn't known."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from policies.judging import Pack, judge_resource
from policies.registry import RULES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.policies.conftest import Previews

pytestmark = pytest.mark.engine
PROGRAM = """
import json
import pulumi
import pulumi_consul as consul

def declare(name, body):
    return consul.ConfigEntry(name, kind="service-defaults", name=name, config_json=body)

known = declare("known", '{"Protocol": "http"}')
later = known.id.apply(lambda _: '{"Protocol": "http"}')
declare("later", later)
declare("secret", pulumi.Output.secret('{"Protocol": "http"}'))
declare("plain", json.dumps({"Meta": {"motto": pulumi.Config().require("motto")}}))
pulumi.ComponentResource("shop:index:Client", "client", {"token": pulumi.Output.secret("open sesame")})
pulumi.ComponentResource("shop:index:Client", "ahead", {"token": later})
pulumi.ComponentResource("shop:index:Client", "with::colons", {"bundle": pulumi.StringAsset("open sesame")})
"""
FOUND = {
    "later": {"CP001": "can't be judged: configJson is not known yet"},
    "secret": {"CP001": "can't be judged: configJson holds what the engine's log leaves out, such as a secret"},
    "plain": {"CP001": "can't be judged: configJson holds what the engine's log leaves out, such as a secret"},
    "ahead": {
        "CP601": "holds a token that can't be judged: token is not known yet in this preview; "
        "mark it as a secret, by additionalSecretOutputs"
    },
}


@pytest.mark.usefixtures("motto")
def test_what_the_log_leaves_out_is_refused_and_a_secret_stays_one(previews: Previews) -> None:
    file = previews.folder / "__main__.py"
    before = file.read_text()
    file.write_text(PROGRAM)
    try:
        resources = previews.logged({})
    finally:
        file.write_text(before)
    found = {
        name: {each.rule.id: each.words for rule in RULES.values() for each in judge_resource(rule, resource, Pack())}
        for name, resource in resources.items()
    }
    assert {name: each for name, each in found.items() if each} == FOUND
    assert found.keys() >= {"known", "client", "with::colons"}
    assert [each.text for each in resources["with::colons"].plain if each.key == "text"] == [None]
    assert "open sesame" not in str(resources["client"].plain)


@pytest.fixture
def motto(previews: Previews) -> Iterator[None]:
    """A secret in the configuration, which the program then treats as none."""
    settings = previews.folder / "Pulumi.dev.yaml"
    before = settings.read_text()
    command = (previews.pulumi, "config", "set", "--stack", "dev", "--secret", "motto", "hunter2hunter2")
    subprocess.run(command, cwd=previews.folder, env=previews.environment, check=True)
    yield
    settings.write_text(before)
