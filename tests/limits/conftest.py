"""A mesh for what limits do: every caller may call everybody, and nobody calls but the tests."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from posture.local.layout import Layout
from posture.model.settings import read_settings
from tests.mesh.conftest import LiveStack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Project

NETWORK, GATEWAY_PORT = "127.44", 9447
OF_SHAKY = "127.47", 9451
OPEN = """
description: Everything is open to Fortio and to the page
grants:
  - {name: a, from: fortio, to: productpage}
  - {name: b, from: fortio, to: details}
  - {name: c, from: fortio, to: reviews}
  - {name: d, from: fortio, to: ratings}
  - {name: e, from: productpage, to: details}
  - {name: f, from: productpage, to: reviews}
  - {name: g, from: productpage, to: ratings}
  - {name: visitors, from: gateway, to: productpage}
"""
LIMITED = """
description: A rate of each size, each on a service of its own
extends: open
limits:
  productpage: {requestsPerSecond: 500, burst: 250}
  details: {requestsPerSecond: 50, burst: 50}
  reviews: {requestsPerSecond: 5, burst: 10}
  ratings: {requestsPerSecond: 1, burst: 6}
"""
FAIR = """
description: A rate for each caller of details, for one route of productpage, and for each caller of one of reviews
extends: open
limits:
  details:
    perCaller: {requestsPerSecond: 20, burst: 10}
  productpage:
    routes:
      - {pathExact: /login, methods: [GET], requestsPerSecond: 5, burst: 5}
  reviews:
    routes:
      - {pathPrefix: /reviews/, perCaller: {requestsPerSecond: 20, burst: 10}}
    upstreams:
      ratings: {maxConnections: 1, maxPendingRequests: 1, maxConcurrentRequests: 1}
"""
SHAKY = """
description: A service of three instances that fail at will, and one that calls it
services:
  front:
    port: 9080
    command: [python, {program}, {folder}]
    calls: [{{to: back, path: /}}]
  back:
    port: 9080
    versions: [v1, v2, v3]
    command: [python, {program}, {folder}]
gateway:
  routes: [{{prefix: /, to: front}}]
"""
CHECKED = """
description: The front leaves out what fails
grants:
  - {name: front-may, from: front, to: back}
limits:
  front:
    upstreams:
      back:
        passiveHealthCheck: {maxFailures: 3, interval: 1, baseEjectionTime: 3}
"""


@pytest.fixture(scope="session")
def limited(project: Project) -> Iterator[LiveStack]:
    for name, text in (("open", OPEN), ("limited", LIMITED), ("fair", FAIR)):
        (project.folder / "stacks" / f"{name}.yaml").write_text(text)
    project.add_stack("limits", NETWORK, GATEWAY_PORT)
    layout = Layout("limits", project.folder, NETWORK, GATEWAY_PORT)
    application = read_settings(project.folder, "limits").load_application(project.folder)
    yield LiveStack(project, "limits", layout, application)
    project.posture("down", "--stack", "limits")


@pytest.fixture(scope="session")
def shaky(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LiveStack, Path]]:
    """The stack, and the folder in which a file named as a version makes that instance fail."""
    folder = tmp_path_factory.mktemp("broken")
    program = Path(__file__).with_name("shaky.py")
    (project.folder / "apps" / "shaky.yaml").write_text(SHAKY.format(program=program, folder=folder))
    (project.folder / "stacks" / "checked.yaml").write_text(CHECKED)
    project.add_stack("shaky", *OF_SHAKY)
    with (project.folder / "Pulumi.shaky.yaml").open("a") as config:
        config.write("  consul-posture:application: shaky\n  consul-posture:posture: checked\n")
    layout = Layout("shaky", project.folder, *OF_SHAKY)
    stack = LiveStack(project, "shaky", layout, read_settings(project.folder, "shaky").load_application(project.folder))
    stack.up("checked")
    yield stack, folder
    project.posture("down", "--stack", "shaky")
