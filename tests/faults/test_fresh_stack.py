"""A stack that was just begun: what Ctrl-C leaves of it, and what a machine that was switched off does."""

from __future__ import annotations

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

pytestmark = [pytest.mark.mesh, pytest.mark.engine]


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
    try:
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
    finally:
        process.kill()
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
