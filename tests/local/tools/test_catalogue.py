from __future__ import annotations

import re

import pytest

from posture.local.tools import TOOLS

ENVOY = "envoy  version: bad8280de85c25b147a90c1d9b8a8c67a13e7134/{}/Clean/RELEASE/BoringSSL"


@pytest.mark.parametrize(
    ("name", "answer", "version"),
    [
        ("pulumi", "v3.259.0", "3.259.0"),
        ("pulumi", "v3.300.1", "3.300.1"),
        ("consul", "Consul v1.22.7\nBuild Date 1970-01-01T00:00:01Z\nProtocol 2 spoken by default", "1.22.7"),
        ("consul", "Consul v1.22.0", "1.22.0"),
        ("fortio", "1.66.5", "1.66.5"),
        ("fortio", "1.70.0", "1.70.0"),
        ("envoy", ENVOY.format("1.36.2"), "1.36.2"),
    ],
)
def test_a_compatible_version_is_accepted(name: str, answer: str, version: str) -> None:
    assert TOOLS[name].compatible(answer) == version


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("pulumi", "v3.258.0"),
        ("pulumi", "v4.0.0"),
        ("pulumi", "v3.260.0-alpha.1+dirty"),
        ("pulumi", ""),
        ("consul", "Consul v1.23.0"),
        ("consul", "Consul v1.21.9"),
        ("consul", "Consul v1.22.7+ent"),
        ("consul", "Consul v1.22.7-dev"),
        ("fortio", "1.65.0"),
        ("fortio", "dev"),
        ("envoy", ENVOY.format("1.37.0")),
        ("envoy", ENVOY.format("1.36.0-dev")),
    ],
)
def test_an_incompatible_version_is_refused(name: str, answer: str) -> None:
    assert TOOLS[name].compatible(answer) is None


@pytest.mark.parametrize("name", ["pulumi", "consul", "fortio"])
def test_the_version_is_the_one_its_go_module_pins(name: str) -> None:
    tool = TOOLS[name]
    assert tool.module is not None
    pins = (tool.module / "go.mod").read_text()
    required = dict(re.findall(r"^\s+(\S+) v(\S+)", pins, re.MULTILINE))
    longest = max((path for path in required if f"{tool.package}/".startswith(f"{path}/")), key=len)
    assert required[longest] == tool.version
    assert f"tool {tool.package}\n" in pins
