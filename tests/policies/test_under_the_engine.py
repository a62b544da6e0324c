"""What the engine and its SDK do with unknown values, secrets, levels and a pack that is set up wrongly."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from policies.examples import CENTURY
from tests.policies.conftest import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.policies.conftest import Previews

pytestmark = pytest.mark.engine
ENTRY = "consul:index/configEntry:ConfigEntry"
PROGRAM = """
import json
import pulumi
import pulumi_consul as consul

known = consul.ConfigEntry("known", kind="service-defaults", name="known", config_json='{"Protocol": "http"}')
later = known.id.apply(lambda _: '{"Protocol": "http"}')
consul.ConfigEntry("later", kind="service-defaults", name="later", config_json=later)
consul.ConfigEntry("hidden", kind="service-defaults", name="hidden", config_json=pulumi.Output.secret(later))
key = json.dumps({"Meta": {"key": "-----BEGIN PRIVATE KEY-----"}})
consul.ConfigEntry("secret", kind="service-defaults", name="secret", config_json=pulumi.Output.secret(key))
consul.ConfigEntry("plain", kind="service-defaults", name="plain", config_json=key)
"""

UNKNOWN_SECRETS = """
import pulumi
import pulumi_consul as consul

known = consul.ConfigEntry("known", kind="service-defaults", name="known", config_json='{"Protocol": "http"}')
later = known.id.apply(lambda _: "0b1c6bd7-77f7-4b8a-a8f8-7f5a1a2a7f0e")
secret = pulumi.Output.secret(later)
marked = pulumi.ResourceOptions(additional_secret_outputs=["spec"])
consul.Provider("marked", address="http://127.0.0.1:1", token=later)
for name, value, opts in (("later", later, None), ("secret", secret, None), ("nested", later, marked)):
    pulumi.ComponentResource("shop:index:Client", name, {"spec": {"token": value}, "region": later}, opts)
"""


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    """A copy of the pack's folder, with files of its own beside the program; its modules are the installed ones."""
    return shutil.copytree(ROOT / "policies", tmp_path / "policies", ignore=shutil.ignore_patterns("*.pyc"))


def resources(*entries: tuple[str, str, dict[str, Any]]) -> dict[str, tuple[str, Any]]:
    return {name: (ENTRY, {"kind": kind, "name": name, "configJson": json.dumps(body)}) for kind, name, body in entries}


def said_of(program: str, previews: Previews, pack: Path, check: int) -> str:
    """What the engine says of another program."""
    file = previews.folder / "__main__.py"
    before = file.read_text()
    file.write_text(program)
    try:
        return previews.run({}, "--policy-pack", str(pack), check=check)
    finally:
        file.write_text(before)


def test_what_a_preview_does_not_know_is_refused_and_secrets_stay_unseen(previews: Previews, pack: Path) -> None:
    (pack / "config.json").write_text('{"CP001": "mandatory", "CP601": "advisory"}')
    text = said_of(PROGRAM, previews, pack, check=1)
    assert "service-defaults/later can't be judged: configJson is not known yet. Give kind, name" in text
    assert "service-defaults/hidden can't be judged: configJson is not known yet" in text
    assert "service-defaults/plain holds a private key in plain text: configJson" in text
    assert "service-defaults/secret holds" not in text
    assert "[mandatory] [severity: high]  CP001" in text
    assert "can't run policy" not in text


def test_a_secret_that_a_preview_does_not_know_is_refused_unless_it_is_marked(previews: Previews, pack: Path) -> None:
    assert "[mandatory] [severity: high]  CP601" in said_of(UNKNOWN_SECRETS, previews, pack, check=1)
    (pack / "config.json").write_text('{"CP601": "advisory"}')
    text = said_of(UNKNOWN_SECRETS, previews, pack, check=0)
    for name in ("later", "secret"):  # the SDK sends the two alike
        assert f"Client/{name} holds a token that can't be judged: spec.token is not known yet in this preview" in text
    assert text.count("can't be judged") == 2, text


def test_a_mandatory_rule_refuses_and_an_advisory_one_does_not(previews: Previews, pack: Path) -> None:
    bad = resources(("service-defaults", "details", {"MutualTLSMode": "permissive"}))
    assert "[mandatory] [severity: high]  CP101" in previews.run(bad, "--policy-pack", str(pack), check=1)
    (pack / "config.json").write_text('{"CP101": "advisory"}')
    assert "[advisory] [severity: high]  CP101" in previews.run(bad, "--policy-pack", str(pack), check=0)
    (pack / "config.json").write_text('{"CP101": "disabled"}')
    assert "CP101" not in previews.run(bad, "--policy-pack", str(pack), check=0)


def test_options_come_from_the_pack_and_from_the_engine(previews: Previews, pack: Path, tmp_path: Path) -> None:
    certificate = CENTURY.partition("|\n")[2].replace("  ", "")
    ending = resources(("inline-certificate", "gateway", {"Certificate": certificate}))
    assert "CP303" not in previews.run(ending, "--policy-pack", str(pack), check=0)
    (pack / "config.json").write_text('{"CP303": {"days": 36500}}')
    assert "inline-certificate/gateway ends on 2126-01-01" in previews.run(ending, "--policy-pack", str(pack), check=0)
    own = tmp_path / "own.json"
    own.write_text('{"CP303": {"days": 3}}')
    options = ("--policy-pack", str(pack), "--policy-pack-config", str(own))
    assert "CP303" not in previews.run(ending, *options, check=0)


def test_the_stack_s_own_edition_counts_under_the_engine(previews: Previews, pack: Path) -> None:
    rates = {"Protocol": "http", "RateLimits": {"InstanceLevel": {"RequestsPerSecond": 5, "RequestsMaxBurst": 5}}}
    native = resources(("service-defaults", "details", rates))
    assert "CP403" in previews.run(native, "--policy-pack", str(pack), check=1)
    settings = previews.folder / "Pulumi.dev.yaml"
    before = settings.read_text()
    config = yaml.safe_load(before)["config"]
    settings.write_text(yaml.safe_dump({"config": {**config, "consul-posture:edition": "enterprise"}}))
    try:
        assert "CP403" not in previews.run(native, "--policy-pack", str(pack), check=0)
    finally:
        settings.write_text(before)


def test_suppressions_hold_under_the_engine_and_must_be_in_use(previews: Previews, pack: Path) -> None:
    bad = resources(("service-defaults", "details", {"MutualTLSMode": "permissive"}))
    item = {"rule": "CP101", "resource": "service-defaults/details", "reason": "moving in", "expires": "9999-12-31"}
    (pack / "suppressions.yaml").write_text(json.dumps({"suppressions": [item]}))
    assert "CP101" not in previews.run(bad, "--policy-pack", str(pack), check=0)
    good = resources(("service-defaults", "details", {"MutualTLSMode": "strict"}))
    text = previews.run(good, "--policy-pack", str(pack), check=1)
    assert (
        "service-defaults/details has a suppression of CP101 (suppressions.yaml:1) for what isn't found any more"
        in text
    )


@pytest.mark.parametrize("rules", [("CP001", "CP901"), ("all",)])
def test_the_engine_s_configuration_disables_no_rule_that_always_holds(
    previews: Previews, pack: Path, tmp_path: Path, rules: tuple[str, ...]
) -> None:
    own = tmp_path / "own.json"
    own.write_text(json.dumps(dict.fromkeys(rules, "disabled")))
    item = {"rule": "CP203", "resource": "service-defaults/details", "reason": "moving in", "expires": "9999-12-31"}
    (pack / "suppressions.yaml").write_text(json.dumps({"suppressions": [item]}))
    bad = {
        **resources(("service-defaults", "details", {"MutualTLSMode": "strict"})),
        "unread": (ENTRY, {"kind": "service-defaults", "name": "unread", "configJson": "{"}),
    }
    text = previews.run(bad, "--policy-pack", str(pack), "--policy-pack-config", str(own), check=0)
    assert "[advisory] [severity: high]  CP001" in text
    assert "[advisory] [severity: high]  CP901" in text


def test_a_suppression_for_one_stack_holds_and_is_judged_there_alone_under_the_engine(
    previews: Previews, pack: Path
) -> None:
    bad, good = (
        resources(("service-defaults", "details", {"MutualTLSMode": mode})) for mode in ("permissive", "strict")
    )
    item = {"rule": "CP101", "resource": "service-defaults/details", "reason": "moving in", "expires": "9999-12-31"}

    def said(program: dict[str, tuple[str, Any]], stack: str, check: int) -> set[str]:
        (pack / "suppressions.yaml").write_text(json.dumps({"suppressions": [{**item, "stack": stack}]}))
        text = previews.run(program, "--policy-pack", str(pack), check=check)
        return {rule for rule in ("CP101", "CP901") if f"  {rule}  " in text}

    assert said(bad, "dev", 0) == set()
    assert said(bad, "prod", 1) == {"CP101"}
    assert said(good, "dev", 1) == {"CP901"}
    assert said(good, "prod", 0) == set()


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("config.json", '{"CP999": "mandatory"}', "config.json:1: no rule 'CP999'; did you mean 'CP901'?"),
        ("suppressions.yaml", "suppressions: [{}]", "suppressions.yaml:1: 'rule' is missing; add it"),
    ],
)
def test_a_pack_that_is_set_up_wrongly_starts_no_preview(
    previews: Previews, pack: Path, file: str, text: str, words: str
) -> None:
    (pack / file).write_text(text)
    output = previews.run({}, "--policy-pack", str(pack), check=1)
    assert words in output
    assert "Traceback" not in output
