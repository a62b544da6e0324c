"""What is said when the engine does not come to its end; a script stands for it, as it ends at will."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import yaml

from posture.program.engine import Engine, EngineError

if TYPE_CHECKING:
    from pathlib import Path

PATH = {"PATH": "/usr/bin:/bin"}


def engine(folder: Path, script: str) -> Engine:
    program = folder / "pulumi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o700)
    return Engine(program, folder, "dev", folder, PATH, own_backend=False)


def test_an_engine_that_is_killed_in_the_middle_of_a_line_is_named_on_a_line_of_its_own(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(EngineError, match=r"ended by SIGKILL: stack 'dev' may be changed in part; run this again"):
        engine(tmp_path, "printf '@ updating....'; kill -KILL $$").up()
    assert capfd.readouterr().out == "@ updating....\n"


def test_an_engine_that_fails_has_said_why(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(EngineError, match=r"^stack 'dev' may be changed in part; mend what is said above"):
        engine(tmp_path, "echo 'error: refused' >&2; exit 255").up()
    assert capfd.readouterr() == ("", "error: refused\n")


@pytest.mark.parametrize(
    ("replaceable", "chosen", "said"),
    [(True, {}, "true\n"), (False, {}, "\n"), (True, {"PULUMI_SKIP_CHECKPOINTS": "false"}, "false\n")],
    ids=["it can", "it can't", "a user's choice"],
)
def test_a_state_is_written_once_where_it_can_be_made_anew(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], chosen: dict[str, str], said: str, *, replaceable: bool
) -> None:
    made = engine(tmp_path, 'echo "$PULUMI_SKIP_CHECKPOINTS"')
    replace(made, replaceable=replaceable, environment={**PATH, **chosen}).up()
    assert capfd.readouterr().out == said


@pytest.mark.parametrize(
    "text", ["config: {}\n", "encryptionsalt: mine\nconfig: {}\n", "config: {}\nencryptionsalt: mine\n"]
)
def test_the_copy_of_a_configuration_has_one_salt(tmp_path: Path, capfd: pytest.CaptureFixture[str], text: str) -> None:
    """Plain `pulumi stack init` writes it as the first line; of two, the engine says "yaml: unmarshal errors"."""
    salted(tmp_path, text).up()
    assert capfd.readouterr().out.count("encryptionsalt: mine") == 1


@pytest.mark.parametrize(
    ("config", "salt"),
    [
        ("config: {p:posture: secure-by-default}", "mine"),
        ("config: {p:gatewayKey: {secure: v1:x}}", "another"),
        ('config:\n  p:values:\n  - "secure": v1:x', "another"),
    ],
    ids=["no secret", "a secret", "a secret within"],
)
@pytest.mark.parametrize("first", [True, False])
def test_a_salt_of_another_clone_counts_where_it_has_sealed_a_secret_alone(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], config: str, salt: str, *, first: bool
) -> None:
    text = f"encryptionsalt: another\n{config}" if first else f"{config}\nencryptionsalt: another"
    salted(tmp_path, text).up()
    assert yaml.safe_load(capfd.readouterr().out) == {**yaml.safe_load(config), "encryptionsalt": salt}
    assert (tmp_path / "Pulumi.dev.yaml").read_text() == text


def salted(folder: Path, text: str) -> Engine:
    """An engine that shows the configuration it is given; the state has the salt `mine`, the stack's file this text."""
    made = engine(folder, 'while [ $# -gt 0 ]; do [ "$1" = --config-file ] && cat "$2"; shift; done; exit 0')
    (folder / "Pulumi.dev.yaml").write_text(text)
    state = folder / "state"
    checkpoint = state / ".pulumi" / "stacks" / "consul-posture" / "dev.json"
    checkpoint.parent.mkdir(parents=True)
    provider = {"type": "passphrase", "state": {"salt": "mine"}}
    checkpoint.write_text(json.dumps({"version": 3, "checkpoint": {"latest": {"secrets_providers": provider}}}))
    return replace(made, state=state, own_backend=True)


@pytest.mark.engine
def test_a_stack_that_a_chosen_backend_does_not_know_has_no_outputs(pulumi: Path, tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: consul-posture\nruntime: python\n")
    (tmp_path / "shared").mkdir()
    variables = {"PULUMI_BACKEND_URL": (tmp_path / "shared").as_uri(), "PULUMI_SKIP_UPDATE_CHECK": "true"}
    environment = {**PATH, "HOME": str(tmp_path), **variables}
    assert Engine(pulumi, tmp_path, "kind", tmp_path / "own", environment, own_backend=False).outputs() == {}
