"""An `up` that does not get to its end: the next one does, and the mesh is what the posture says."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from posture.local.supervisor import Supervisor

if TYPE_CHECKING:
    from tests.conftest import Project
    from tests.mesh.conftest import LiveStack

pytestmark = [pytest.mark.mesh, pytest.mark.engine]


def start_up(live: LiveStack, posture: str) -> tuple[subprocess.Popen[str], int]:
    """Start an `up` and freeze Consul once the engine runs, so that the first write hangs; its pid, too."""
    status = json.loads(live.project.posture("status", "--stack", live.name, "--json").stdout)
    consul = next(process["pid"] for process in status["processes"] if process["name"] == "consul")
    process = subprocess.Popen(
        [str(Path(sys.executable).parent / "posture"), "up", posture, "--stack", live.name],
        cwd=live.project.folder,
        env=dict(live.project.environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout
    seen = []
    for line in process.stdout:
        seen.append(line)
        if line.startswith("Updating"):
            os.kill(consul, signal.SIGSTOP)
            break
    else:
        raise AssertionError("".join(seen))
    for line in process.stdout:
        if "ConfigEntry" in line and "updating" in line:
            return process, consul
    raise AssertionError("no write was begun")


def test_ctrl_c_in_the_middle_of_an_up(live: LiveStack) -> None:
    live.up("layered-allow")
    process, consul = start_up(live, "deny-all")
    process.send_signal(signal.SIGINT)
    os.kill(consul, signal.SIGCONT)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 130, output
    assert "Traceback" not in output
    live.up("deny-all")
    assert live.changes() == {}
    assert live.entries()["service-intentions/details"]["Sources"][0]["Name"] == "*"


def test_consul_killed_in_the_middle_of_an_up(live: LiveStack) -> None:
    live.up("layered-allow")
    process, consul = start_up(live, "deny-all")
    os.kill(consul, signal.SIGKILL)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 1, output
    assert "Traceback" not in output
    done = live.project.posture("status", "--stack", live.name, check=1)
    assert "consul" in done.stdout
    live.up("deny-all")
    assert live.changes() == {}
    assert live.page().status_code == 200
    assert live.entries()["service-intentions/details"]["Sources"][0]["Name"] == "*"


def test_an_engine_killed_leaves_a_lock_that_the_next_up_releases(live: LiveStack) -> None:
    live.up("deny-all")
    process, consul = start_up(live, "layered-allow")
    [engine] = [child for child in psutil.Process(process.pid).children() if child.name() == "pulumi"]
    engine.kill()
    os.kill(consul, signal.SIGCONT)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 1, output
    live.up("layered-allow")
    assert live.changes() == {}
    assert live.page().status_code == 200


@pytest.mark.parametrize("damaged", ["", ".attrs"])
def test_a_state_that_was_cut_off_is_mended(live: LiveStack, damaged: str) -> None:
    live.up("deny-all")
    [checkpoint] = live.layout.pulumi_state.glob(f".pulumi/stacks/*/{live.name}.json")
    file = checkpoint.with_name(checkpoint.name + damaged)
    file.write_text(file.read_text()[:50])
    said = live.project.posture("up", "layered-allow", "--stack", live.name).stderr
    assert damaged or f"the state in {checkpoint} is damaged; going on from the one before it" in said
    assert live.changes() == {}
    assert live.page().status_code == 200


def test_a_checkpoint_without_a_sound_backup_is_one_line(live: LiveStack) -> None:
    live.up("deny-all")
    [checkpoint] = live.layout.pulumi_state.glob(f".pulumi/stacks/*/{live.name}.json")
    backup = checkpoint.with_name(f"{checkpoint.name}.bak")
    kept = checkpoint.read_text(), backup.read_text()
    for file in (checkpoint, backup):
        file.write_text("")
    done = live.project.posture("up", "--stack", live.name, check=2)
    checkpoint.write_text(kept[0])
    backup.write_text(kept[1])
    assert f"the state in {checkpoint} is damaged, and so is its backup" in done.stderr
    live.up("deny-all")


@pytest.mark.parametrize("step", ["registering", "applying", "asking"])
def test_ctrl_c_ends_what_the_interrupted_up_has_started(project: Project, step: str) -> None:
    project.add_stack("fresh", "127.43", 9446)
    process = subprocess.Popen(
        [str(Path(sys.executable).parent / "posture"), "up", "--stack", "fresh"],
        cwd=project.folder,
        env=dict(project.environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout
    for line in process.stdout:
        if line.startswith(f"· {step}"):
            break
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130, output
    assert output.splitlines()[-1] == "error: interrupted; run it again to go on"
    assert "Traceback" not in output
    assert Supervisor(project.folder / ".posture" / "fresh", {}).processes() == []
    project.posture("down", "--stack", "fresh")


def test_a_machine_that_was_switched_off_comes_back_with_up(project: Project) -> None:
    project.add_stack("fresh", "127.43", 9446)
    project.posture("up", "layered-allow", "--through", "load-generator", "--stack", "fresh")
    processes = Supervisor(project.folder / ".posture" / "fresh", {}).processes()
    assert len(processes) == 16
    for process in processes:
        process.kill()
    psutil.wait_procs(processes, timeout=10)
    project.posture("status", "--stack", "fresh", check=1)
    said = project.posture("up", "--stack", "fresh").stdout
    assert "layered-allow is live" in said
    assert "load-generator" in said
    assert "details-viewer" not in said, "it goes as far as it went before"
    project.posture("down", "--stack", "fresh")
    assert not (project.folder / ".posture" / "fresh").exists()
