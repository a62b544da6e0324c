"""From ten services to a thousand: the model alone, and the engine on our program and on a bare one.

The engine's writes go to a real Consul, whose config entries need no sidecars. Each `up` finds an empty Consul and an
empty state; a preview is that of the whole, with nothing there yet.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import tenacity
import yaml
from rich.console import Console

from posture.local import tools
from posture.model.entries import Kind, compile_entries
from posture.model.settings import consul_host, consul_url
from posture.program.engine import ONE_CHECKPOINT
from tests.bench import model
from tests.bench.engine import STACK, Engine
from tests.bench.figures import timed
from tests.bench.growth import MEGABYTES, SIZES, Growth
from tests.bench.made import made_application, made_posture, write_project
from tests.bench.policies import idle_pack, pack_options

if TYPE_CHECKING:
    from collections.abc import Iterator

    from posture.model.application import Application
    from posture.model.entries import Entry

__all__ = ["scale_growths"]

ROOT = Path(__file__).parents[2]
NETWORK = "127.50"
PREVIEWS = 3
_PREVIEW = ("preview", "--stack", STACK)
_UP = ("up", "--stack", STACK, "--yes", "--skip-preview")
_GROWTH = "exponent ≤ 1.15"
_QUICK = "preview of one that lets registrations begin"
_UNDER_IDLE = "preview under a pack of one idle policy"
_CHECKED, _BARE_CHECKED = "preview under the policy pack", "preview of a bare program under the pack"
_COMMENT, _JUDGED = "`posture preview`, with policies", "policies in it"
_BARE_ONCE = "up of a bare program, recorded once"
_BARE = """
import json
from pathlib import Path
import pulumi
import pulumi_consul as consul

provider = consul.Provider("consul", address="{address}")
made = {{}}
for kind, name, body, after in json.loads(Path("entries.json").read_text()):
    opts = pulumi.ResourceOptions(provider=provider, depends_on=[made[each] for each in after])
    own = f"{{kind}}/{{name}}"
    made[own] = consul.ConfigEntry(own, kind=kind, name=name, config_json=body, opts=opts)
"""
_BEGIN = """
import asyncio
import pulumi

async def begin():
    await asyncio.sleep(0)

pulumi.run(begin)
"""
"""What our program does at its end, see there."""


def scale_growths() -> list[Growth]:
    """Every measure at every size, and the ratios that have a goal."""
    figures = {size: (model.measured(size), *_measure(size)) for size in SIZES}

    def growth(part: int, what: str, unit: str = "s", goal: str = "", *, floor: bool = False) -> Growth:
        return Growth(
            what, {size: each[part][what] for size, each in figures.items() if what in each[part]}, unit, goal, floor
        )

    preview, comment, checked = (growth(1, what, goal=_GROWTH) for what in ("preview", _COMMENT, _CHECKED))
    judged = growth(0, _JUDGED, goal=_GROWTH)
    judging = Growth("", {size: figure + judged.figures[size] for size, figure in preview.figures.items()})
    quick, idle = (growth(1, what, floor=True) for what in (_QUICK, _UNDER_IDLE))
    up = growth(1, "up", goal=_GROWTH)
    bare, bare_checked, bare_up, bare_once = (
        growth(1, what, floor=True)
        for what in ("preview of a bare program", _BARE_CHECKED, "up of a bare program", _BARE_ONCE)
    )
    return [
        growth(0, "reading the files"),
        growth(0, "compiling", goal=f"≤ 1 s, {_GROWTH}"),
        growth(0, "a matrix"),
        growth(0, "difference of two postures", goal=f"≤ 1 s, {_GROWTH}"),
        *(preview, bare, preview.over(bare, "preview ÷ bare program", "≤ 1.3")),
        *(quick, preview.over(quick, "preview ÷ such a bare program")),
        *(comment, comment.over(preview, "`posture preview` ÷ preview")),
        *(judged, judging.over(preview, "preview and these policies ÷ preview", "≤ 1.3")),
        *(checked, checked.over(preview, "preview under the policy pack ÷ without", "≤ 1.3")),
        *(idle, checked.over(idle, "preview under the policy pack ÷ under that one")),
        *(bare_checked, bare_checked.over(bare, f"{_BARE_CHECKED} ÷ without", "≤ 1.3")),
        *(up, bare_up, up.over(bare_up, "up ÷ bare program")),
        *(bare_once, up.over(bare_once, "up ÷ such a bare program")),
        growth(0, "peak memory of the model", MEGABYTES),
        *(growth(2, what, MEGABYTES) for what in figures[SIZES[0]][2]),
    ]


def _measure(size: int) -> tuple[dict[str, float], dict[str, float]]:
    """Seconds and megabytes, by what they are of; programs take turns, and medians count."""
    print(f"{size:,} services", file=sys.stderr)  # noqa: T201 - the largest take minutes
    application = made_application(size)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ours, bare = _ours(folder, application), _bare(folder, application)
        checked = (*_PREVIEW, *pack_options(ours.project))
        quick = _bare(folder, application, "quick", _BEGIN)
        ways = {
            "preview": (ours, _PREVIEW),
            "preview of a bare program": (bare, _PREVIEW),
            _QUICK: (quick, _PREVIEW),
            _CHECKED: (ours, checked),
            _UNDER_IDLE: (ours, (*_PREVIEW, "--policy-pack", str(idle_pack(folder, ours.project)))),
            _BARE_CHECKED: (bare, (*_PREVIEW, *pack_options(bare.project))),
        }
        with _consul(folder):
            memory = {f"peak memory of the {process}": most for process, most in ours.memory(*checked).items()}
            bare.run(*_PREVIEW)  # warms up, as that has done for ours
            rounds = [
                {**{what: engine.run(*words) for what, (engine, words) in ways.items()}, _COMMENT: _comment(ours)}
                for _ in range(PREVIEWS)
            ]
        ups = {
            "up": _up(folder, ours.having(ONE_CHECKPOINT)),
            "up of a bare program": _up(folder, bare),
            _BARE_ONCE: _up(folder, bare.having(ONE_CHECKPOINT)),
        }
    medians = {what: statistics.median(each[what] for each in rounds) for what in rounds[0]}
    return medians | ups, memory


def _comment(engine: Engine) -> float:
    """Seconds of the command that makes a pull request's comment, on the same project."""
    posture = Path(sys.executable).with_name("posture")
    command = (posture, "preview", "--stack", STACK)
    return timed(lambda: subprocess.run(command, cwd=engine.project, check=True, stdout=subprocess.DEVNULL))


def _up(folder: Path, engine: Engine) -> float:
    engine.forget()
    with _consul(folder):
        return engine.run(*_UP)


def _ours(folder: Path, application: Application) -> Engine:
    """A project with our program and the made application."""
    project = folder / "ours"
    project.mkdir()
    for name in ("Pulumi.yaml", "__main__.py"):
        shutil.copy(ROOT / name, project)
    return _declaring(project, application)


def _bare(folder: Path, application: Application, name: str = "bare", more: str = "") -> Engine:
    """The same entries as somebody would declare them who has only Pulumi."""
    project = folder / name
    project.mkdir()
    (project / "Pulumi.yaml").write_text("name: bare\nruntime: {name: python, options: {virtualenv: .venv}}\n")
    (project / "__main__.py").write_text(_BARE.format(address=consul_url(NETWORK)) + more)
    entries = compile_entries(application, made_posture(application, "reading"))
    text = json.dumps([(each.kind, each.name, each.json, _after(each)) for each in entries])
    (project / "entries.json").write_text(text)
    return _declaring(project, application)


def _declaring(project: Path, application: Application) -> Engine:
    """A project with the made application and the settings of its stack, by which policies judge it."""
    write_project(project, application)
    values = {"localNetwork": NETWORK, "application": "made", "posture": "reading"}
    config = {f"consul-posture:{key}": value for key, value in values.items()}
    (project / f"Pulumi.{STACK}.yaml").write_text(yaml.safe_dump({"config": config}))
    return Engine.of(project)


def _after(entry: Entry) -> list[str]:
    """What the bare program has an entry wait for: what Consul asks for, and no more."""
    if entry.kind is Kind.SERVICE_DEFAULTS:
        return ["proxy-defaults/global", "mesh/mesh"]
    if entry.kind is Kind.SERVICE_INTENTIONS and entry.name != "*":
        return [f"service-defaults/{entry.name}", "service-intentions/*"]
    return []


@contextmanager
def _consul(folder: Path) -> Iterator[None]:
    """A Consul that has nothing yet, and keeps nothing."""
    (consul,) = tools.ensure(("consul",), console=Console(stderr=True)).values()
    settings = {
        "bind_addr": consul_host(NETWORK),
        "client_addr": consul_host(NETWORK),
        "ports": {"dns": -1, "grpc": -1, "grpc_tls": -1, "serf_wan": -1},
        "default_intention_policy": "deny",
        "disable_update_check": True,
    }
    (folder / "consul.json").write_text(json.dumps(settings))
    with (folder / "consul.log").open("w") as log:
        command = [str(consul.path), "agent", "-dev", "-config-file", str(folder / "consul.json")]
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        for attempt in tenacity.Retrying(stop=tenacity.stop_after_delay(30), wait=tenacity.wait_fixed(0.1)):
            with attempt:
                answer = httpx.get(f"{consul_url(NETWORK)}/v1/status/leader", trust_env=False).raise_for_status()
                assert answer.json()
        yield
    finally:
        process.terminate()
        process.wait(30)
