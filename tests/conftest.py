"""What all tests share: golden files, and a project of their own to run the real `posture` command in."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeVar

import pytest
import tenacity
from xdist.scheduler import LoadScopeScheduling

from posture.local import tools

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from xdist.remote import Producer

ROOT = Path(__file__).parents[1]
GIT = ("git", "-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false")
"""Commits whatever the machine's own configuration is."""
T = TypeVar("T")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write golden files anew; then review the diff")


class ByFolder(LoadScopeScheduling):  # type: ignore[misc]  # xdist ships no types
    """Gives a folder's tests to one worker: they share a mesh, a Consul, or a cache."""

    def _split_scope(self, nodeid: str) -> str:
        return nodeid.split("::", maxsplit=1)[0].rpartition("/")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByFolder:
    return ByFolder(config, log)


def eventually(question: Callable[[], T], words: str = "", seconds: float = 10) -> T:
    """The first answer that is true; it has to come in time."""
    asking = tenacity.Retrying(
        retry=tenacity.retry_if_result(lambda answer: not answer),
        stop=tenacity.stop_after_delay(seconds),
        wait=tenacity.wait_fixed(0.02),
    )
    try:
        return asking(question)
    except tenacity.RetryError as error:
        raise AssertionError(words or f"still {error.last_attempt.result()!r} after {seconds:g} s") from None


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--update-golden"))


@dataclass(frozen=True)
class Project:
    """A copy of the repository's program, whose stacks and files nobody else touches."""

    folder: Path
    environment: Mapping[str, str]

    @classmethod
    def copied(cls, folder: Path) -> Self:
        """Copy it into an empty folder."""
        for name in ("Pulumi.yaml", "Pulumi.dev.yaml", "__main__.py"):
            shutil.copy(ROOT / name, folder)
        for name in ("apps", "stacks"):
            shutil.copytree(ROOT / name, folder / name)
        (folder / ".venv").symlink_to(Path(sys.prefix))
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("PULUMI_", "CONSUL_"))}
        return cls(folder, {**environment, "PULUMI_HOME": str(folder / "pulumi-home")})

    def posture(self, *arguments: str, check: int | None = 0) -> subprocess.CompletedProcess[str]:
        """Run the command as a user would; its exit code must be `check`, unless that is None."""
        return self.run(str(Path(sys.executable).parent / "posture"), *arguments, check=check)

    def run(
        self, *arguments: str, check: int | None = 0, variables: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            arguments,
            cwd=self.folder,
            env={**self.environment, **(variables or {})},
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=300,
            check=False,
        )
        assert check in {None, done.returncode}, (
            f"{arguments} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
        )
        return done

    def add_stack(self, name: str, network: str, gateway_port: int) -> None:
        (self.folder / f"Pulumi.{name}.yaml").write_text(
            f'config:\n  consul-posture:localNetwork: "{network}"\n  consul-posture:gatewayPort: {gateway_port}\n'
        )


def _tool(name: str) -> Path:
    found = tools.find(name)
    assert found, f"no {name}; 'make test' gets it first, or say: posture tools --install"
    return found.path


@pytest.fixture(scope="session")
def pulumi() -> Path:
    return _tool("pulumi")


@pytest.fixture(scope="session")
def consul() -> Path:
    return _tool("consul")


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project.copied(tmp_path_factory.mktemp("project"))
