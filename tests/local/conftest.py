"""A mesh small enough to be started many times: one service, one client, a gateway; and places for it."""

from __future__ import annotations

import os
from itertools import count
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from posture.local.layout import Layout
from posture.local.mesh import Mesh
from posture.local.tools import ensure
from posture.model.application import Application

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_NETWORKS = 32  # for each of pytest-xdist's workers
_next = count()


@pytest.fixture(scope="session")
def mesh_tools() -> dict[str, Path]:
    found = ensure(("consul", "envoy"), console=Console(stderr=True))
    return {name: tool.path for name, tool in found.items()}


@pytest.fixture(scope="session")
def make_layout() -> Callable[[Path], Layout]:
    """Lays out a stack in a folder, on a network and a gateway port that no other test uses."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))

    def make(root: Path) -> Layout:
        number = worker * _NETWORKS + next(_next) % _NETWORKS
        return Layout("test", root, f"127.{128 + number % 128}", 28443 + number)

    return make


@pytest.fixture(scope="session")
def application() -> Application:
    return Application.model_validate(
        {
            "description": "The least that has all kinds of member",
            "services": {
                "details": {"port": 9080, "command": ("python", "-m", "posture.local.bookinfo", "details")},
            },
            "clients": {"fortio": {"calls": ({"to": "details", "path": "/details/0"},)}},
            "gateway": {"routes": ({"prefix": "/details", "to": "details"},)},
        }
    )


@pytest.fixture(scope="module")
def mesh(
    application: Application,
    mesh_tools: dict[str, Path],
    make_layout: Callable[[Path], Layout],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Mesh]:
    """A mesh that was started and is healthy. Whoever breaks it repairs it."""
    mesh = Mesh(make_layout(tmp_path_factory.mktemp("project")), application, mesh_tools)
    try:
        mesh.start(print)
        mesh.wait_healthy(print)
        yield mesh
    finally:
        mesh.stop()


@pytest.fixture
def make_mesh(
    application: Application, mesh_tools: dict[str, Path], make_layout: Callable[[Path], Layout]
) -> Iterator[Callable[..., Mesh]]:
    """Makes meshes that are not started, in a folder; they are ended after the test."""
    made: list[Mesh] = []

    def make(root: Path, application: Application = application) -> Mesh:
        made.append(Mesh(make_layout(root), application, mesh_tools))
        return made[-1]

    yield make
    for each in made:
        each.stop()
