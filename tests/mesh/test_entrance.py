"""An `up` comes to its end whatever the gateway is called, and whatever the application answers at its first path."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Project

pytestmark = [pytest.mark.mesh, pytest.mark.engine]


def test_a_hostname_with_a_star_and_a_page_that_is_not_there_are_live(project: Project) -> None:
    apps = project.folder / "apps"
    routes = "  routes:\n    - {exact: /nothing, to: productpage}\n"
    (apps / "lost.yaml").write_text((apps / "bookinfo.yaml").read_text().replace("  routes:\n", routes))
    project.add_stack("starred", "127.46", 9449)
    with (project.folder / "Pulumi.starred.yaml").open("a") as file:
        file.write('  consul-posture:application: lost\n  consul-posture:gatewayHostname: "*.test"\n')
    try:
        said = project.posture("up", "layered-allow", "--stack", "starred").stdout
        assert "layered-allow is live" in said
        assert "https://any.test:9449/nothing" in said
    finally:
        project.posture("down", "--stack", "starred")
        (apps / "lost.yaml").unlink()
