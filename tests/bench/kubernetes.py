"""The Kubernetes target on a real API server, against a bare Pulumi program with the same manifests.

Both run by the same engine with the same plugins. `clusterChecks` is part of ours, and so of its figures.
"""

from __future__ import annotations

import statistics
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from posture.local import tools
from posture.local.certificate import ensure_certificate
from posture.model.manifests.inventory import inventory
from posture.model.settings import read_settings
from posture.program.manifest import annotated
from tests.bench.figures import Row, timed
from tests.bench.local import PAIR, run
from tests.conftest import Project
from tests.kubernetes.conftest import CRDS, PROGRAMS
from tests.kubernetes.consul_k8s import consul_k8s
from tests.kubernetes.control_plane import ControlPlane
from tests.kubernetes.node import node
from tests.kubernetes.stacks import ClusterStack, prepare_cluster

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["kubernetes_rows"]

_ROUNDS = 10
_BARE = """
import pathlib
import pulumi
import pulumi_kubernetes as k8s
import yaml


class Object(pulumi.CustomResource):
    def __init__(self, fields, opts):
        group, _, version = fields["apiVersion"].rpartition("/")
        token = f"kubernetes:{{group or 'core'}}/{{version}}:{{fields['kind']}}"
        super().__init__(token, f"{{fields['kind']}}/{{fields['metadata']['name']}}", fields, opts)


config = pulumi.Config()
own = pulumi.ResourceOptions(provider=k8s.Provider("k8s", context="{context}", kubeconfig="{kubeconfig}"))
before = []
for group in yaml.safe_load(pathlib.Path(config.require("posture") + ".yaml").read_text()):
    opts = pulumi.ResourceOptions.merge(own, pulumi.ResourceOptions(depends_on=list(before)))
    before = [Object(each, opts) for each in group]
"""


def kubernetes_rows() -> list[Row]:
    """Run each in a cluster of its own, in turns, and leave nothing behind.

    In turns, for a machine changes its speed; in two clusters, for what one has written the other would find written.
    """
    programs = {name: tool.path for name in PROGRAMS if (tool := tools.find(name, tools=tools.TEST_TOOLS))}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with _cluster(folder, "ours", programs) as own, _cluster(folder, "theirs", programs) as other:
            stack = ClusterStack(Project.copied(_made(folder, "project")), own, "bench")
            stack.configure()
            stack.posture("env")
            return list(_measure(stack, _bare_program(stack, other, folder)))


@contextmanager
def _cluster(folder: Path, name: str, programs: Mapping[str, Path]) -> Iterator[ControlPlane]:
    with ControlPlane(_made(folder, name), programs) as control_plane:
        control_plane.apply_crds(CRDS)
        certificate, key = folder / f"{name}.pem", folder / f"{name}-key.pem"
        ensure_certificate(certificate, key)
        control_plane.kubectl("create", "namespace", "consul")
        prepare_cluster(control_plane, certificate, key)
        with consul_k8s(control_plane), node(control_plane):
            yield control_plane


def _measure(stack: ClusterStack, bare: Path) -> Iterator[Row]:
    both = (stack.project.folder, stack.name), (bare, "bare")
    rounds = [
        [_round(stack.variables, *program, PAIR[number % 2]) for program in both] for number in range(2 + _ROUNDS)
    ]
    warm = rounds[2:]  # the first of each posture warms up
    for index, what in enumerate(("preview", "posture switch, `pulumi up`")):
        mine, floor = (statistics.median(each[program][index] for each in warm) for program in range(2))
        figures = f"{mine:.2f} s", f"{floor:.2f} s, a bare program", f"{mine / floor:.2f}"
        yield Row(f"Kubernetes target: {what}", *figures, "≤ 1.2")


def _round(variables: Mapping[str, str], folder: Path, name: str, posture: str) -> tuple[float, float]:
    """Seconds of a preview without changes that follows a switch, and of that switch."""

    def pulumi(*arguments: str) -> float:
        return timed(lambda: run(folder, variables, "pulumi", *arguments, "--stack", name))

    pulumi("config", "set", "posture", posture)
    switch = pulumi("up", "--yes", "--skip-preview")
    return pulumi("preview"), switch


def _bare_program(stack: ClusterStack, control_plane: ControlPlane, folder: Path) -> Path:
    """The same objects as somebody would declare them who has only Pulumi, in groups that rely on each other."""
    bare = _made(folder, "bare")
    (bare / "Pulumi.yaml").write_text(
        "name: bare\nruntime:\n  name: python\n  options:\n    virtualenv: ../project/.venv\n"
    )
    program = _BARE.format(context=control_plane.context, kubeconfig=control_plane.kubeconfig)
    (bare / "__main__.py").write_text(program)
    for posture in PAIR:
        settings = read_settings(stack.project.folder, stack.name).model_copy(update={"posture": posture})
        found = inventory(*settings.load(stack.project.folder), settings, stack.name)
        pods = found.workloads
        groups = [
            *(found.namespaces, found.mesh, found.services, found.intentions[:1], found.intentions[1:]),
            [each for workload in pods for each in (workload.service_account, workload.service)],
            [each for workload in pods for each in workload.deployments],
            *([each] for each in found.gateway),
        ]
        text = yaml.safe_dump([[annotated(each) for each in group] for group in groups])
        (bare / f"{posture}.yaml").write_text(text)
    run(bare, stack.variables, "pulumi", "stack", "init", "bare")
    return bare


def _made(folder: Path, name: str) -> Path:
    path = folder / name
    path.mkdir()
    return path
