from __future__ import annotations

import re

import pytest

from posture.local.tools import TEST_TOOLS, TOOLS

ALL = {**TOOLS, **TEST_TOOLS}
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
        ("kube-apiserver", "Kubernetes v1.36.0", "1.36.0"),
        ("kube-controller-manager", "Kubernetes v1.36.3", "1.36.3"),
        ("kubectl", "Client Version: v1.37.1\nKustomize Version: v5.8.1", "1.37.1"),
        ("etcd", "etcd Version: 3.6.16\nGit SHA: Not provided\nGo Version: go1.26.8", "3.6.16"),
        ("helm", "v3.21.4", "3.21.4"),
    ],
)
def test_a_compatible_version_is_accepted(name: str, answer: str, version: str) -> None:
    assert ALL[name].compatible(answer) == version


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
        ("kube-apiserver", "Kubernetes v1.37.0"),
        ("kube-apiserver", "Kubernetes v0.0.0-master+$Format:%H$"),
        ("kubectl", "Client Version: v1.35.9\nKustomize Version: v5.8.1"),
        ("etcd", "etcd Version: 3.4.30\nGit SHA: Not provided"),
        ("helm", "v4.0.0"),
    ],
)
def test_an_incompatible_version_is_refused(name: str, answer: str) -> None:
    assert ALL[name].compatible(answer) is None


@pytest.mark.parametrize("name", [name for name, tool in ALL.items() if tool.module])
def test_the_version_is_the_one_its_go_module_pins(name: str) -> None:
    tool = ALL[name]
    assert tool.module is not None
    pins = (tool.module / "go.mod").read_text()
    required = dict(re.findall(r"^\s+(\S+) v(\S+)", pins, re.MULTILINE))
    longest = max((path for path in required if f"{tool.package}/".startswith(f"{path}/")), key=len)
    assert required[longest] == tool.version
    assert re.search(rf"^(tool |\t){re.escape(tool.package)}$", pins, re.MULTILINE)
