"""One control plane for all tests here, with the definitions that chart 2.0.3 brings."""

from __future__ import annotations

import os
import secrets
import shutil
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from posture.local import tools
from posture.local.certificate import ensure_certificate
from tests.kubernetes.consul_k8s import consul_k8s as stand_in_for_consul_k8s
from tests.kubernetes.control_plane import ControlPlane
from tests.kubernetes.node import node as stand_in_for_node
from tests.kubernetes.pulumi_stack import Stack, make_stack
from tests.kubernetes.stacks import ClusterStack, prepare_cluster

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Project

PROGRAMS = ("etcd", "helm", "kube-apiserver", "kube-controller-manager", "kubectl")
CRDS = Path(__file__).parents[3] / "shared" / "consul-k8s-2.0.3" / "crds"


@pytest.fixture(scope="session")
def kubernetes_programs() -> dict[str, Path]:
    found = {name: tools.find(name, tools=tools.TEST_TOOLS) for name in PROGRAMS}
    missing = [name for name, tool in found.items() if tool is None]
    assert not missing, f"no {missing}; 'make test' gets them first, or say: posture tools --install --for-tests"
    return {name: tool.path for name, tool in found.items() if tool}


@pytest.fixture(scope="session")
def crds() -> Path:
    if not CRDS.is_dir() and not os.environ.get("CI"):
        pytest.skip(f"the chart's definitions are not beside this checkout, at {CRDS}")
    assert CRDS.is_dir(), f"the chart's definitions are not at {CRDS}"
    return CRDS


@pytest.fixture(scope="session")
def control_plane(
    kubernetes_programs: dict[str, Path], crds: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ControlPlane]:
    with ControlPlane(tmp_path_factory.mktemp("control-plane"), kubernetes_programs) as started:
        started.apply_crds(crds)
        yield started


@pytest.fixture
def consul_k8s(control_plane: ControlPlane) -> Iterator[None]:
    """What a Consul release would do to custom resources, finalizers included, is done."""
    with stand_in_for_consul_k8s(control_plane):
        yield


@pytest.fixture
def node(control_plane: ControlPlane) -> Iterator[None]:
    """Pods become ready, and go."""
    with stand_in_for_node(control_plane):
        yield


@pytest.fixture
def namespace(control_plane: ControlPlane) -> Iterator[str]:
    """A namespace of the test's own. Nobody waits for its end: the namespace controller takes 5 s for each."""
    name = f"test-{secrets.token_hex(4)}"
    control_plane.kubectl("create", "namespace", name)
    yield name
    control_plane.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
def stack(tmp_path: Path, pulumi: Path, control_plane: ControlPlane, namespace: str) -> Iterator[Stack]:
    """A Pulumi project that declares objects in that namespace, as an administrator."""
    provider = {"kubeconfig": str(control_plane.kubeconfig), "context": control_plane.context, "namespace": namespace}
    made = make_stack(tmp_path, pulumi, provider)
    yield made
    made.declare()
    made.up()


@pytest.fixture(scope="session")
def page_certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for `localhost` and its key, as files."""
    folder = tmp_path_factory.mktemp("certificate")
    pair = folder / "certificate.pem", folder / "key.pem"
    ensure_certificate(*pair)
    return pair


@pytest.fixture(scope="module")
def cluster_stack(
    control_plane: ControlPlane, project: Project, page_certificate: tuple[Path, Path]
) -> Iterator[ClusterStack]:
    """A stack in a cluster where Consul is said to be there already; what its controllers and a node do is done."""
    control_plane.kubectl("create", "namespace", "consul")
    with surroundings(control_plane, page_certificate):
        yield ClusterStack(project, control_plane, "prod")
    shutil.rmtree(project.folder / ".posture" / "prod", ignore_errors=True)  # what it knows of is gone


@pytest.fixture(scope="module")
def releasing_stack(
    control_plane: ControlPlane,
    project: Project,
    page_certificate: tuple[Path, Path],
    kubernetes_programs: dict[str, Path],
) -> Iterator[ClusterStack]:
    """A stack that brings its own Consul into the cluster, by `helm`; what its controllers and a node do is done."""
    path = os.pathsep.join((str(kubernetes_programs["helm"].parent), project.environment["PATH"]))
    with surroundings(control_plane, page_certificate):
        yield ClusterStack(
            replace(project, environment={**project.environment, "PATH": path}), control_plane, "releasing"
        )


@contextmanager
def surroundings(control_plane: ControlPlane, page_certificate: tuple[Path, Path]) -> Iterator[None]:
    """What has to be in the cluster beside Consul: the page's certificate, and what tells the API server of pods."""
    prepare_cluster(control_plane, *page_certificate)
    with stand_in_for_consul_k8s(control_plane), stand_in_for_node(control_plane):
        yield
        for namespace in ("consul", "certificates", "bookinfo"):
            control_plane.kubectl("delete", "namespace", namespace, "--ignore-not-found")
