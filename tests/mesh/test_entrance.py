"""An `up` comes to its end whatever the gateway is called, and whatever the application answers at its first path."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Project

pytestmark = [pytest.mark.mesh, pytest.mark.engine]

BY_HOST = """
description: Visitors by the name that they come by, and not too many of them
grants:
  - name: visitors
    from: gateway
    to: productpage
    permissions:
      - header: [{name: host, exact: "any.test:9449"}]
limits:
  entrance: {on: gateway, requestsPerSecond: 50, burst: 100}
"""


def test_a_hostname_with_a_star_and_a_page_that_is_not_there_are_live(project: Project) -> None:
    apps, posture = project.folder / "apps", project.folder / "stacks" / "by-host.yaml"
    routes = "  routes:\n    - {exact: /nothing, to: productpage}\n"
    (apps / "lost.yaml").write_text((apps / "bookinfo.yaml").read_text().replace("  routes:\n", routes))
    posture.write_text(BY_HOST)
    project.add_stack("starred", "127.46", 9449)
    with (project.folder / "Pulumi.starred.yaml").open("a") as file:
        file.write('  consul-posture:application: lost\n  consul-posture:gatewayHostname: "*.test"\n')
    try:
        said = project.posture("up", "by-host", "--stack", "starred").stdout
        assert "by-host is live" in said
        assert "https://any.test:9449/nothing" in said
        found = json.loads(project.posture("verify", "--stack", "starred", "--json", "-").stdout)
        answers = {each["observed"] for each in found["cells"] if each["source"] == "gateway" and each["allowed"]}
        assert {200, 404} <= answers
    finally:
        project.posture("down", "--stack", "starred")
        (apps / "lost.yaml").unlink()
        posture.unlink()
