"""What the policy pack costs: a preview under it against one without it, by the same engine and plugins.

Beside it a pack of one policy that looks at nothing: what the engine and the SDK need for any pack.
"""

from __future__ import annotations

import json
import statistics
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from posture.model.entries import compile_entries
from tests.bench.engine import STACK, Engine
from tests.bench.figures import Row
from tests.bench.made import made_application, made_posture, write_project

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["idle_pack", "pack_options", "policy_rows"]

ROOT = Path(__file__).parents[2]
SIZES = {30: 12, 1000: 497}
"""Resources, and the services that make about as many entries."""
ROUNDS = 5
_PROGRAM = """
import json
from pathlib import Path
import pulumi_consul as consul

for kind, name, body in json.loads(Path("entries.json").read_text()):
    consul.ConfigEntry(f"{kind}/{name}", kind=kind, name=name, config_json=body)
"""
_IDLE = """
from pulumi_policy import PolicyPack, ResourceValidationPolicy

PolicyPack("idle", [ResourceValidationPolicy("idle", "Looks at nothing.", lambda args, report: None)])
"""


def policy_rows() -> Iterator[Row]:
    """Two rows for each size; the rounds take turns, and the median counts."""
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder, "project")
        project.mkdir()
        idle = idle_pack(Path(folder), project)
        (project / "Pulumi.yaml").write_text("name: bench\nruntime: {name: python, options: {virtualenv: .venv}}\n")
        (project / "__main__.py").write_text(_PROGRAM)
        settings = "config: {consul-posture:application: made, consul-posture:posture: reading}\n"
        (project / f"Pulumi.{STACK}.yaml").write_text(settings)
        engine = Engine.of(project)
        for size, services in SIZES.items():
            application = made_application(services)
            write_project(project, application)
            entries = compile_entries(application, made_posture(application, "reading"))
            (project / "entries.json").write_text(json.dumps([(each.kind, each.name, each.json) for each in entries]))
            preview = ("preview", "--stack", STACK)
            ways = (preview, (*preview, *pack_options(project)), (*preview, "--policy-pack", str(idle)))
            rounds = [[engine.run(*way) for way in ways] for _ in range(ROUNDS)]
            floor, ours, empty = (statistics.median(times) for times in zip(*rounds, strict=True))
            what, words = f"`pulumi preview --policy-pack policies`, {size} resources", f"{ours:.2f} s"
            yield Row(what, words, f"{floor:.2f} s, without it", f"{ours / floor:.2f}", "≤ 1.3")
            yield Row("the same", words, f"{empty:.2f} s, an idle pack", f"{ours / empty:.2f}", "reported")


def idle_pack(folder: Path, project: Path) -> Path:
    """Make a pack of one policy, which looks at nothing, that runs under a project's interpreter."""
    idle = folder / "idle"
    idle.mkdir()
    (idle / "PulumiPolicy.yaml").write_text(
        f"runtime: {{name: python, options: {{virtualenv: {project / '.venv'}}}}}\n"
    )
    (idle / "__main__.py").write_text(_IDLE)
    return idle


def pack_options(project: Path) -> tuple[str, ...]:
    """Options for a preview under the pack, all of whose rules only advise: what is made here has no limits."""
    config = project / "advisory.json"
    config.write_text('{"all": "advisory"}')
    return "--policy-pack", str(ROOT / "policies"), "--policy-pack-config", str(config)
