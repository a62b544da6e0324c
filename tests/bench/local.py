"""The local target: starts, switches, memory, verification, limits.

The floor of a posture switch is a bare Pulumi program that holds the same entries written out by hand, run by the same
engine with the same plugins against the same Consul; below that, the raw HTTP writes.
"""

from __future__ import annotations

import os
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from posture.local.layout import Layout
from posture.local.supervisor import Supervisor
from posture.model.application import load_application
from posture.model.entries import Entry, Kind, compile_entries
from posture.model.posture import load_posture
from tests.bench.figures import Row, timed
from tests.bench.limits import limit_rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).parents[2]
STACK, NETWORK, PORT = "bench", "127.45", 9450
ROUNDS = 6
PAIR = ("deny-all", "layered-allow")


def local_rows() -> list[Row]:
    """Run everything in a project of its own, and leave nothing behind."""
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "project"
        project.mkdir()
        for name in ("Pulumi.yaml", "__main__.py"):
            shutil.copy(ROOT / name, project)
        for name in ("apps", "stacks"):
            shutil.copytree(ROOT / name, project / name)
        (project / ".venv").symlink_to(sys.prefix)
        keys = f'  consul-posture:localNetwork: "{NETWORK}"\n  consul-posture:gatewayPort: {PORT}\n'
        (project / f"Pulumi.{STACK}.yaml").write_text(f"config:\n{keys}")
        try:
            return list(measure(project))
        finally:
            posture(project, "down")


def measure(project: Path) -> Iterator[Row]:
    first = timed(lambda: posture(project, "up", PAIR[1]))
    posture(project, "down")
    starts = [first]
    for _ in range(2):
        starts.append(timed(lambda: posture(project, "up", PAIR[1])))
        if len(starts) < 3:
            posture(project, "down")
    yield Row("`posture up` from nothing to verified, tools there", f"{min(starts):.1f} s", goal="≤ 30 s")

    seconds = timed(lambda: posture(project, "verify"))
    yield Row("`posture verify` of bookinfo", f"{seconds:.1f} s", goal="≤ 15 s")

    resident = memory(project)
    yield Row("memory of the mesh, resident", f"{resident / 2**20:.0f} MB", goal="≤ 900 MB")

    yield from limit_rows(project, STACK)

    environment = variables(project)
    bare = bare_program(project, environment)
    rounds = [switches(project, bare, environment, PAIR[number % 2]) for number in range(2 + ROUNDS)]
    ours, raw, theirs = map(statistics.median, zip(*rounds[2:], strict=True))  # the first of each posture warms up
    ratio = f"{ours / theirs:.2f}"
    yield Row("posture switch, `pulumi up`", f"{ours:.2f} s", f"{theirs:.2f} s, a bare program", ratio, "≤ 1.15")
    yield Row("the same", f"{ours:.2f} s", f"{raw * 1000:.0f} ms, raw HTTP writes", f"{ours / raw:.0f}", "reported")


def entries(project: Path, name: str) -> tuple[Entry, ...]:
    application = load_application(project / "apps" / "bookinfo.yaml")
    gateway = application.gateway.model_copy(update={"port": PORT})
    application = application.model_copy(update={"gateway": gateway})
    return compile_entries(application.named("bookinfo"), load_posture(project / "stacks", name, application))


def bare_program(project: Path, environment: Mapping[str, str]) -> Path:
    """The same entries as somebody would write them who has only Pulumi."""
    folder = project.parent / "bare"
    folder.mkdir()
    (folder / "Pulumi.yaml").write_text(
        "name: bare\nruntime:\n  name: python\n  options:\n    virtualenv: ../project/.venv\n"
    )
    text = "import pulumi\nimport pulumi_consul as consul\nposture = pulumi.Config().require('posture')\n"
    text += f"provider = consul.Provider('consul', address={environment['CONSUL_HTTP_ADDR']!r})\n"
    before = ""
    for pair in zip(entries(project, PAIR[0]), entries(project, PAIR[1]), strict=True):
        kind, name, variable = pair[0].kind, pair[0].name, f"e{len(text)}"
        after = f", depends_on=[{before}]" if before else ""
        text += f"{variable} = consul.ConfigEntry('{kind}/{name}', kind='{kind}', name='{name}', config_json="
        text += f"{ {PAIR[0]: pair[0].json, PAIR[1]: pair[1].json} }[posture], "
        text += f"opts=pulumi.ResourceOptions(provider=provider{after}))\n"
        if kind in {Kind.PROXY_DEFAULTS, Kind.MESH, Kind.SERVICE_DEFAULTS, Kind.FILE_SYSTEM_CERTIFICATE}:
            before += f"{variable}, "
        elif kind is Kind.API_GATEWAY:
            before = variable
    (folder / "__main__.py").write_text(text)
    run(folder, environment, "pulumi", "stack", "init", "bare")
    return folder


def switches(project: Path, bare: Path, environment: Mapping[str, str], name: str) -> tuple[float, float, float]:
    """Seconds to a posture by our program, back from it by raw writes, and to it again by the bare program."""
    ours = switch(project, environment, STACK, name)
    raw = write_raw(project, environment, next(each for each in PAIR if each != name))
    return ours, raw, switch(bare, environment, "bare", name)


def switch(folder: Path, environment: Mapping[str, str], stack: str, name: str) -> float:
    run(folder, environment, "pulumi", "config", "set", "posture", name, "--stack", stack)
    return timed(lambda: run(folder, environment, "pulumi", "up", "--yes", "--skip-preview", "--stack", stack))


def write_raw(project: Path, environment: Mapping[str, str], name: str) -> float:
    """The changed entries alone, one PUT after another on one connection."""
    before = {(each.kind, each.name): each.body for each in entries(project, next(n for n in PAIR if n != name))}
    changed = [each for each in entries(project, name) if before[each.kind, each.name] != each.body]
    headers = {"X-Consul-Token": environment["CONSUL_HTTP_TOKEN"]}
    with httpx.Client(base_url=environment["CONSUL_HTTP_ADDR"], headers=headers) as consul:
        consul.get("/v1/config/mesh/mesh").raise_for_status()  # opens the connection

        def write_all() -> None:
            for each in changed:
                consul.put("/v1/config", json={"Kind": each.kind, "Name": each.name, **each.body}).raise_for_status()

        return timed(write_all)


def memory(project: Path) -> int:
    """Resident bytes of all processes of the stack; pages that they share count once for each."""
    processes = Supervisor(Layout(STACK, project).state, {}).processes()
    return sum(int(process.memory_info().rss) for process in processes)


def posture(project: Path, *arguments: str) -> str:
    command, *rest = arguments
    return run(project, os.environ, str(Path(sys.executable).parent / "posture"), command, "--stack", STACK, *rest)


def variables(project: Path) -> dict[str, str]:
    lines = posture(project, "env").splitlines()
    return {**os.environ, **dict(shlex.split(line)[1].split("=", 1) for line in lines)}


def run(folder: Path, environment: Mapping[str, str], *command: str) -> str:
    done = subprocess.run(command, cwd=folder, env=dict(environment), capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{shlex.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout
