"""What is a secret is judged like anything else, whatever part of a resource it is; its text is in no finding."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from policies.inputs import UNKNOWN, Secret
from policies.judging import Pack, judge
from policies.reading import of_pulumi
from policies.view import Stack

DEPLOYMENT, POD, RELEASE = "kubernetes:apps/v1:Deployment", "kubernetes:core/v1:Pod", "kubernetes:helm.sh/v3:Release"
REDIRECT = "consul.hashicorp.com/transparent-proxy"
CONTAINERS = ("spec", "template", "spec", "containers")
BAD: dict[str, Any] = {
    "metadata": {"name": "shop"},
    "spec": {"template": {"spec": {"containers": [{"name": "shop", "image": "shop:latest"}]}}},
}
FOUND = {"CP506", "CP507", "CP508", "CP509"}


def replaced(value: Any, place: tuple[Any, ...], by: Any) -> Any:
    value = copy.deepcopy(value)
    here = value
    for part in place[:-1]:
        here = here[part]
    here[place[-1]] = by(here[place[-1]])
    return value


def findings(kind: str, inputs: dict[str, Any]) -> dict[str, str]:
    found = judge(Stack((of_pulumi(kind, "shop", inputs),)), Pack())
    return {each.rule.id: each.words for each in found if each.resource}


@pytest.mark.parametrize("place", [*(CONTAINERS[:i] for i in range(1, 5)), (*CONTAINERS, 0)])
@pytest.mark.parametrize("veil", [Secret, lambda value: Secret(Secret(value))])
def test_a_pod_in_a_secret_is_judged(place: tuple[Any, ...], veil: Any) -> None:
    assert findings(DEPLOYMENT, BAD).keys() >= FOUND
    assert findings(DEPLOYMENT, replaced(BAD, place, veil)).keys() == findings(DEPLOYMENT, BAD).keys()


@pytest.mark.parametrize("place", [*(CONTAINERS[:i] for i in range(1, 5)), (*CONTAINERS, 0)])
@pytest.mark.parametrize("unknown", [UNKNOWN, Secret(UNKNOWN)])
def test_a_pod_that_is_not_known_is_refused(place: tuple[Any, ...], unknown: Any) -> None:
    words = findings(DEPLOYMENT, replaced(BAD, place, lambda _: unknown))["CP001"]
    assert f"{'.'.join(map(str, place))} is not known yet" in words


@pytest.mark.parametrize("place", [("values",), ("values", "global"), ("values", "global", "image")])
def test_an_image_in_a_chart_s_secret_values_is_judged_and_not_shown(place: tuple[Any, ...]) -> None:
    inputs = {"chart": "shop", "version": "1.0.0", "values": {"global": {"image": "hashicorp/consul:latest"}}}
    assert "image hashicorp/consul:latest is" in findings(RELEASE, inputs)["CP506"]
    words = findings(RELEASE, replaced(inputs, place, Secret))["CP506"]
    assert "image at values.global.image is" in words
    assert "consul" not in words


def test_a_container_s_secret_image_is_not_shown() -> None:
    words = findings(DEPLOYMENT, replaced(BAD, (*CONTAINERS, 0, "image"), Secret))["CP506"]
    assert "image at spec.template.spec.containers.0.image is" in words
    assert "latest" not in words


@pytest.mark.parametrize("place", [("metadata",), ("metadata", "annotations"), ("metadata", "annotations", REDIRECT)])
def test_an_annotation_in_a_secret_is_judged(place: tuple[Any, ...]) -> None:
    pod: dict[str, Any] = {"metadata": {"name": "shop", "annotations": {REDIRECT: "false"}}, "spec": {"containers": []}}
    assert findings(POD, replaced(pod, place, Secret)).keys() & {"CP001", "CP510"} == {"CP510"}


def test_only_the_annotation_that_is_judged_must_be_known() -> None:
    pod: dict[str, Any] = {
        "metadata": {"name": "shop", "annotations": {"checksum": UNKNOWN}},
        "spec": {"containers": []},
    }
    assert "CP001" not in findings(POD, pod)
    pod["metadata"]["annotations"] = {REDIRECT: UNKNOWN}
    assert f"{REDIRECT} is not known yet" in findings(POD, pod)["CP001"]
