"""What is wrong around a stack gets one line as well: no mesh, no key, a port that is taken."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Project
    from tests.mesh.conftest import LiveStack

pytestmark = [pytest.mark.mesh, pytest.mark.engine]


def test_plain_up_without_a_running_mesh_says_how_to_start_it(project: Project) -> None:
    project.add_stack("cold", "127.41", 9444)
    sourced = 'eval "$(posture env --stack cold)" && pulumi'
    preview = project.run("bash", "-c", f"{sourced} preview --stack cold", variables=_path())
    assert "21 to create" in preview.stdout, "a preview needs no running Consul"
    done = project.run("bash", "-c", f"{sourced} up --yes --skip-preview --stack cold", check=None, variables=_path())
    assert done.returncode != 0
    assert "the mesh of stack 'cold' is not running" in done.stdout
    assert "start it with 'posture up --stack cold'" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    project.posture("down", "--stack", "cold")
    assert "encryptionsalt" not in (project.folder / "Pulumi.cold.yaml").read_text()


def test_a_wrong_passphrase_is_one_line_and_changes_nothing(live: LiveStack) -> None:
    live.up("layered-allow")
    before = live.entries()
    wrong = {"PULUMI_CONFIG_PASSPHRASE": "not this one"}
    done = live.project.run("posture", "up", "deny-all", "--stack", live.name, check=2, variables={**_path(), **wrong})
    assert done.stderr.splitlines()[-1].startswith("error: the passphrase does not open the state of stack 'walk'; set")
    assert "Traceback" not in done.stderr
    assert live.entries() == before


def test_enterprise_on_community_edition_is_one_line_and_starts_nothing(project: Project) -> None:
    project.add_stack("paid", "127.45", 9448)
    file = project.folder / "Pulumi.paid.yaml"
    file.write_text(file.read_text() + "  consul-posture:edition: enterprise\n")
    done = project.posture("up", "rate-limited", "--stack", "paid", check=2)
    assert done.stderr.splitlines()[-1].startswith(
        "error: stack 'paid' is set to edition 'enterprise', and its Consul is"
    )
    assert "running" not in project.posture("status", "--stack", "paid", check=1).stdout
    project.posture("down", "--stack", "paid")


def test_a_taken_port_names_its_holder(project: Project) -> None:
    project.add_stack("crowded", "127.42", 9445)
    with socket.create_server(("127.0.0.1", 9445)):
        done = project.posture("up", "--stack", "crowded", check=2)
    last = done.stderr.splitlines()[-1]
    assert "127.0.0.1:9445" in last
    assert str(os.getpid()) in last
    assert project.posture("status", "--stack", "crowded", check=1).stdout.count("running") == 0
    project.posture("down", "--stack", "crowded")
    assert not (project.folder / ".posture" / "crowded").exists()


def _path() -> dict[str, str]:
    return {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
