"""A project whose program declares the resources of a file, and the real engine that previews it under the pack."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from policies.reading import of_log
from posture.local.plugins.locate import plugin_path
from posture.program.engine import Engine
from posture.program.preview import preview

if TYPE_CHECKING:
    from collections.abc import Mapping

    from policies.view import Resource

ROOT = Path(__file__).parents[2]
PROGRAM = '''
"""Declares what a file holds; types and inputs go to the engine as they are, and no plugin is asked."""
import json, os
from pathlib import Path
import pulumi

for name, (kind, inputs) in json.loads(Path(os.environ["RESOURCES"]).read_text()).items():
    pulumi.ComponentResource(kind, name, inputs).register_outputs(inputs)
'''
_FOUND = re.compile(r"- \[(\w+)\](?: \[severity: \w+\])?  (CP\d+)  \((.*?): (.*?)\)\n.*\n +(\S+) ")


@dataclass(frozen=True)
class Previews:
    """The engine with the pack of this repository."""

    pulumi: Path
    folder: Path
    environment: Mapping[str, str]

    def run(self, resources: Mapping[str, tuple[str, Any]], *options: str, check: int) -> str:
        done = subprocess.run(
            [self.pulumi, "preview", "--stack", "dev", "--non-interactive", *options],
            cwd=self.folder,
            env=self._declaring(resources),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        text = done.stdout + done.stderr
        assert done.returncode == check, text
        return text

    def findings(self, resources: Mapping[str, tuple[str, Any]]) -> list[tuple[str, str, str]]:
        """Rule, the resource's name in the program, and the resource that the message names.

        All rules are advisory here, for the engine ends a preview at the first resource that is refused.
        """
        pack = ("--policy-pack", str(ROOT / "policies"), "--policy-pack-config", str(self.folder / "advisory.json"))
        text = self.run(resources, *pack, check=0)
        return [(rule, name, resource) for _, rule, _, name, resource in _FOUND.findall(text)]

    def logged(self, resources: Mapping[str, tuple[str, Any]]) -> dict[str, Resource]:
        """What rules see of resources in the engine's log of events, by their names in the program."""
        environment = self._declaring(resources)
        plan = preview(Engine(self.pulumi, self.folder, "dev", self.folder, environment, own_backend=False))
        return {each.name: of_log(each.kind, each.name, each.after or {}) for each in plan.resources}

    def _declaring(self, resources: Mapping[str, tuple[str, Any]]) -> dict[str, str]:
        """The environment of an engine whose program declares these."""
        file = self.folder / f"resources-{uuid.uuid4()}.json"
        file.write_text(json.dumps(resources))
        return {**self.environment, "RESOURCES": str(file)}


@pytest.fixture(scope="session")
def pulumi_environment(pulumi: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    home = tmp_path_factory.mktemp("pulumi")
    (home / "state").mkdir()
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PULUMI_", "CONSUL_"))}
    environment |= {
        "PATH": f"{pulumi.parent}:{os.environ['PATH']}",
        "PULUMI_BACKEND_URL": f"file://{home / 'state'}",
        "PULUMI_CONFIG_PASSPHRASE": "a test's",
        "PULUMI_HOME": str(home / "home"),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
    }
    plugins = plugin_path(home / "plugins", environment=environment)
    return environment | {"PATH": ":".join([*map(str, plugins), environment["PATH"]])}


@pytest.fixture(scope="session")
def previews(pulumi: Path, pulumi_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Previews:
    folder = tmp_path_factory.mktemp("corpus")
    (folder / "Pulumi.yaml").write_text("name: corpus\nruntime: {name: python, options: {virtualenv: .venv}}\n")
    (folder / "Pulumi.dev.yaml").write_text("config:\n  consul-posture:application: bookinfo\n")
    (folder / "__main__.py").write_text(PROGRAM)
    (folder / "advisory.json").write_text('{"all": "advisory"}')
    (folder / ".venv").symlink_to(Path(sys.prefix))
    for name in ("apps", "stacks"):
        shutil.copytree(ROOT / name, folder / name)
    made = Previews(pulumi, folder, pulumi_environment)
    subprocess.run(
        [pulumi, "stack", "init", "dev"], cwd=folder, env=pulumi_environment, check=True, capture_output=True
    )
    return made
