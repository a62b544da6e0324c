"""What is said when the engine does not come to its end; a script stands for it, as it ends at will."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

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
    made = engine(tmp_path, 'while [ $# -gt 0 ]; do [ "$1" = --config-file ] && cat "$2"; shift; done; exit 0')
    (tmp_path / "Pulumi.dev.yaml").write_text(text)
    checkpoint = tmp_path / ".pulumi" / "stacks" / "consul-posture" / "dev.json"
    checkpoint.parent.mkdir(parents=True)
    provider = {"type": "passphrase", "state": {"salt": "mine"}}
    checkpoint.write_text(json.dumps({"version": 3, "checkpoint": {"latest": {"secrets_providers": provider}}}))
    replace(made, own_backend=True).up()
    assert capfd.readouterr().out.count("encryptionsalt: mine") == 1


@pytest.mark.engine
def test_a_stack_that_a_chosen_backend_does_not_know_has_no_outputs(pulumi: Path, tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: consul-posture\nruntime: python\n")
    (tmp_path / "shared").mkdir()
    environment = {**PATH, "HOME": str(tmp_path), "PULUMI_BACKEND_URL": (tmp_path / "shared").as_uri()}
    assert Engine(pulumi, tmp_path, "kind", tmp_path / "own", environment, own_backend=False).outputs() == {}
