from __future__ import annotations

import subprocess
import sys
from importlib import metadata
from typing import TYPE_CHECKING

import psutil
import pytest

from posture.local.plugins.locate import CONSUL_VERSION, KUBERNETES_VERSION, plugin_path
from tests.conftest import eventually

if TYPE_CHECKING:
    from pathlib import Path

LANGUAGE, CONSUL, KUBERNETES = "pulumi-language-python", "pulumi-resource-consul", "pulumi-resource-kubernetes"
ALL = [LANGUAGE, CONSUL, KUBERNETES]


def executable(file: Path) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("#!/bin/sh\n")
    file.chmod(0o755)
    return file


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {"PATH": str(tmp_path / "bin"), "HOME": str(tmp_path / "home")}


def names(directories: list[Path]) -> list[str]:
    return [file.name for directory in directories for file in directory.iterdir()]


def test_without_official_plugins_there_are_three_stand_ins(tmp_path: Path, environment: dict[str, str]) -> None:
    directories = plugin_path(tmp_path / "shims", environment=environment)
    assert names(directories) == ALL


@pytest.mark.parametrize(
    "official",
    [
        f"bin/{LANGUAGE}",
        f"pulumi/{LANGUAGE}",
        f"bin/{CONSUL}",
        f"home/.pulumi/plugins/resource-consul-v{CONSUL_VERSION}/{CONSUL}",
        f"bin/{KUBERNETES}",
        f"home/.pulumi/plugins/resource-kubernetes-v{KUBERNETES_VERSION}/{KUBERNETES}",
    ],
)
def test_an_official_plugin_wins(tmp_path: Path, environment: dict[str, str], official: str) -> None:
    shims = tmp_path / "shims"
    plugin_path(shims, environment=environment)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "pulumi").symlink_to(executable(tmp_path / "pulumi" / "pulumi"))
    executable(tmp_path / official)
    left = names(plugin_path(shims, environment=environment))
    assert left == [name for name in ALL if name != (tmp_path / official).name]
    assert sorted(file.name for file in shims.rglob("pulumi-*")) == sorted(left)


def test_another_version_in_pulumi_home_is_not_the_official_one(tmp_path: Path, environment: dict[str, str]) -> None:
    environment["PULUMI_HOME"] = str(tmp_path / "elsewhere")
    executable(tmp_path / "elsewhere" / "plugins" / "resource-consul-v3.0.0" / CONSUL)
    assert names(plugin_path(tmp_path / "shims", environment=environment)) == ALL


@pytest.mark.parametrize("stack", ["same", "other"])
def test_our_own_stand_ins_on_path_are_not_official(tmp_path: Path, environment: dict[str, str], stack: str) -> None:
    first = plugin_path(tmp_path / "same", environment=environment)
    environment["PATH"] = ":".join(map(str, [*first, environment["PATH"]]))
    assert names(plugin_path(tmp_path / stack, environment=environment)) == ALL


@pytest.mark.parametrize(("package", "version"), [("consul", CONSUL_VERSION), ("kubernetes", KUBERNETES_VERSION)])
def test_a_stand_in_stands_for_the_version_of_its_sdk(package: str, version: str) -> None:
    assert metadata.version(f"pulumi-{package}") == version


def test_a_shim_runs_from_a_directory_with_an_odd_name(tmp_path: Path, environment: dict[str, str]) -> None:
    language, *_ = plugin_path(tmp_path / "it's $HOME", environment=environment)
    with subprocess.Popen([language / LANGUAGE, "127.0.0.1:1"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert int(process.stdout.readline()) > 0
        process.terminate()


def test_a_plugin_ends_when_its_engine_is_killed(tmp_path: Path, environment: dict[str, str]) -> None:
    _, consul, _ = plugin_path(tmp_path / "shims", environment=environment)
    engine = "import subprocess, sys; print(subprocess.Popen([sys.argv[1], '127.0.0.1:1']).pid, flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", engine, str(consul / CONSUL)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        plugin = psutil.Process(int(process.stdout.readline()))
        process.stdout.readline()  # its port: it is up
        process.kill()
    eventually(lambda: not plugin.is_running() or plugin.status() == psutil.STATUS_ZOMBIE)
