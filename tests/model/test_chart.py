"""The Helm values that we give are keys that the official chart has."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from posture.errors import InputError
from posture.model.chart import chart_line, chart_values
from posture.model.settings import settings_from

ROOT = Path(__file__).parents[2]
CHART = ROOT.parent / "shared" / "consul-k8s-2.0.3"


def values_of(**settings: object) -> dict[str, Any]:
    return chart_values(settings_from("prod", {"target": "kubernetes", "kubeContext": "c", **settings}), "bookinfo")


@pytest.fixture(scope="module")
def the_charts_own() -> dict[str, Any]:
    file = CHART / "values.yaml"
    if not file.exists() and not os.environ.get("CI"):
        pytest.skip(f"the chart's values.yaml is not at {file}; put it there: helm show values hashicorp/consul")
    return dict(yaml.safe_load(file.read_text()))


@pytest.mark.parametrize("size", ["dev", "prod"])
def test_the_chart_has_every_key(the_charts_own: dict[str, Any], size: str) -> None:
    free = {("server", "resources"), ("connectInject", "sidecarProxy", "resources")}

    def unknown(ours: Any, theirs: Any, place: tuple[str, ...]) -> list[tuple[str, ...]]:
        if not isinstance(ours, dict) or place in free:
            return []
        if not isinstance(theirs, dict):
            return [place]
        return [each for key in ours for each in unknown(ours[key], theirs.get(key, "absent"), (*place, key))] + [
            (*place, key) for key in ours if key not in theirs
        ]

    assert unknown(values_of(consulSize=size), the_charts_own, ()) == []


@pytest.mark.parametrize("size", ["dev", "prod"])
def test_values_are_the_golden_ones(size: str, *, update_golden: bool) -> None:
    golden = ROOT / "tests" / "golden" / "kubernetes" / f"values-{size}.yaml"
    text = yaml.safe_dump(values_of(consulSize=size), sort_keys=False)
    if update_golden:
        golden.write_text(text)
    assert text == golden.read_text()


def test_whatever_the_size_it_is_as_hard() -> None:
    for size in ("dev", "prod"):
        values = values_of(consulSize=size)
        assert values["global"]["tls"] == {
            "enabled": True,
            "verify": True,
            "enableAutoEncrypt": True,
            "httpsOnly": True,
        }
        assert values["global"]["acls"]["manageSystemACLs"]
        assert values["global"]["gossipEncryption"]["autoGenerate"]
        assert values["connectInject"]["default"] is False
        assert json.loads(values["server"]["extraConfig"]) == {"default_intention_policy": "deny"}


def test_the_stacks_own_values_go_over_ours_and_leave_the_rest() -> None:
    values = values_of(consulValues={"global": {"image": "mirror.test/consul:2.0.3"}, "server": {"storage": "2Gi"}})
    assert values["global"]["image"] == "mirror.test/consul:2.0.3"
    assert values["global"]["acls"]["manageSystemACLs"]
    assert values["server"]["storage"] == "2Gi"


@pytest.mark.parametrize("version", ["1.8.0", "3.0.0", "latest", "2.0", "", "2.0.3-rc1"])
def test_an_unknown_version_is_refused(version: str) -> None:
    with pytest.raises(InputError, match=r"1\.9\.x and 2\.0\.x are: choose"):
        chart_line(version)
