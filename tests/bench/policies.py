"""What the policy pack costs: a preview under it against one without it, by the same engine and plugins."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from posture.local import tools
from posture.local.plugins.locate import plugin_path
from posture.model.entries import compile_entries
from tests.bench.figures import Row, timed
from tests.bench.model import made_application, made_posture

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).parents[2]
SIZES = {30: 12, 1000: 497}
"""Resources, and the services that make about as many entries."""
ROUNDS = 3
PROGRAM = """
import json
from pathlib import Path
import pulumi_consul as consul

for kind, name, body in json.loads(Path("entries.json").read_text()):
    consul.ConfigEntry(f"{kind}/{name}", kind=kind, name=name, config_json=body)
"""


def policy_rows() -> Iterator[Row]:
    """One row for each size; the rounds of both take turns, and the median counts."""
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        environment = prepare(project)
        for size, services in SIZES.items():
            application = made_application(services)
            entries = compile_entries(application, made_posture(application, "GET"))
            made = application.model_dump_json(by_alias=True, exclude_none=True)
            (project / "apps" / "made.yaml").write_text(made)  # JSON is YAML
            (project / "entries.json").write_text(json.dumps([(each.kind, each.name, each.json) for each in entries]))
            advisory = ("--policy-pack-config", str(project / "advisory.json"))  # it has no limits, and says so
            pack = ("--policy-pack", str(ROOT / "policies"), *advisory)
            rounds = [(preview(project, environment), preview(project, environment, *pack)) for _ in range(ROUNDS)]
            floor, ours = (statistics.median(times) for times in zip(*rounds, strict=True))
            what = f"`pulumi preview --policy-pack policies`, {size} resources"
            yield Row(what, f"{ours:.1f} s", f"{floor:.1f} s, without it", f"{ours / floor:.2f}", "≤ 1.3")


def prepare(project: Path) -> Mapping[str, str]:
    """A project of its own, and the environment in which its previews run."""
    (project / "Pulumi.yaml").write_text("name: bench\nruntime: {name: python, options: {virtualenv: .venv}}\n")
    (project / "__main__.py").write_text(PROGRAM)
    (project / ".venv").symlink_to(sys.prefix)
    (project / "apps").mkdir()
    (project / "stacks").mkdir()
    (project / "stacks" / "layered-allow.yaml").write_text("description: none\n")
    (project / "Pulumi.bench.yaml").write_text("config:\n  consul-posture:application: made\n")
    (project / "advisory.json").write_text('{"all": "advisory"}')
    (project / "state").mkdir()
    (pulumi,) = tools.ensure(("pulumi",), console=Console(stderr=True)).values()
    environment = {
        **os.environ,
        "PATH": f"{pulumi.path.parent}:{os.environ['PATH']}",
        "PULUMI_BACKEND_URL": f"file://{project / 'state'}",
        "PULUMI_CONFIG_PASSPHRASE": "a benchmark's",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
    }
    plugins = plugin_path(project / "plugins", environment=environment)
    environment["PATH"] = ":".join([*map(str, plugins), environment["PATH"]])
    run(project, environment, "stack", "init", "bench")
    return environment


def preview(project: Path, environment: Mapping[str, str], *options: str) -> float:
    return timed(lambda: run(project, environment, "preview", "--stack", "bench", *options))


def run(project: Path, environment: Mapping[str, str], *arguments: str) -> None:
    done = subprocess.run(
        ["pulumi", *arguments, "--non-interactive"],  # noqa: S607 - found on the environment's own PATH
        cwd=project,
        env=dict(environment),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"pulumi {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
