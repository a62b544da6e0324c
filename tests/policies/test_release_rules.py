"""What rules make of single values of Consul's chart."""

from __future__ import annotations

from typing import Any

import pytest

from policies.judging import Pack, judge_resource
from policies.reading import of_pulumi
from policies.registry import RULES


def found(rule: str, values: dict[str, Any], chart: str = "consul", version: str = "2.0.3") -> list[str]:
    inputs = {"chart": chart, "version": version, "values": values}
    resource = of_pulumi("kubernetes:helm.sh/v3:Release", "consul", inputs)
    return [each.words for each in judge_resource(RULES[rule], resource, Pack())]


def of_selector(**selector: str | None) -> list[str]:
    return found("CP510", {"connectInject": selector})


@pytest.mark.parametrize(
    "selector",
    [
        "serviceaccount.namespace==shop",
        '\'serviceaccount.namespace=="shop" and serviceaccount.name!="default"\'',
        "'serviceaccount.name!=default and serviceaccount.namespace == shop'",
        "'serviceaccount.namespace matches \"^(shop|bank)$\"'",
        '\'serviceaccount.namespace=="for-or-not" and serviceaccount.name  not  matches "^x"\'',
        "'serviceaccount.namespace==shop and serviceaccount.name is not empty'",
    ],
)
def test_a_selector_that_names_the_namespace_is_allowed(selector: str) -> None:
    assert of_selector(aclBindingRuleSelector=selector) == []


@pytest.mark.parametrize(
    "selector",
    [
        None,
        "",
        "serviceaccount.name!=default",
        "serviceaccount.namespace!=kube-system",
        "'serviceaccount.namespace is not empty'",
        "'serviceaccount.namespace not matches \"^kube-\"'",
        "'serviceaccount.namespace==shop or serviceaccount.name!=default'",
        "'(serviceaccount.name==a)\nor\nserviceaccount.namespace==shop'",
        "'not serviceaccount.namespace==kube-system'",
        "'not (serviceaccount.namespace==kube-system)'",
        "'serviceaccount.namespace in serviceaccount.name'",
    ],
)
def test_a_selector_that_takes_any_namespace_is_refused(selector: str | None) -> None:
    (words,) = of_selector(aclBindingRuleSelector=selector)
    assert "in any namespace" in words


def test_a_selector_that_is_not_set_is_the_chart_s_own() -> None:
    (words,) = of_selector()
    assert "in any namespace" in words


DIGEST = f"sha256:{'ab' * 32}"


@pytest.mark.parametrize(
    "chart",
    [
        "consul",
        "hashicorp/consul",
        "oci://registry.example.com:5000/charts/consul",
        "oci://registry.example.com/charts/consul:2.0.3",
        f"oci://registry.example.com/charts/consul@{DIGEST}",
        f"oci://registry.example.com/charts/consul:2.0.3@{DIGEST}",
        "./consul",
        "./consul/.",
        "./consul/./",
        "https://charts.example.com/consul-2.0.3.tgz",
    ],
)
def test_consul_s_chart_is_known_by_all_its_addresses(chart: str) -> None:
    assert found("CP503", {}, chart), "ACLs are off"
    assert found("CP501", {}, chart) == []


@pytest.mark.parametrize(
    "chart", ["consul-template", "./consul/other", "oci://consul:2.0.3/other", "consul.", "consulate:1"]
)
def test_another_chart_is_not_taken_for_consul_s(chart: str) -> None:
    assert found("CP503", {}, chart) == []


@pytest.mark.parametrize(
    ("address", "version"),
    [("consul:2.0.3", ""), (f"consul@{DIGEST}", ""), (f"consul:latest@{DIGEST}", ""), ("consul", "2.0.3")],
)
def test_a_tag_or_a_digest_pins_a_chart(address: str, version: str) -> None:
    assert found("CP501", {}, f"oci://registry.example.com/{address}", version) == []


@pytest.mark.parametrize(
    ("address", "version", "said"),
    [
        ("consul", "", "newest"),
        ("consul:latest", "2.0.3", "latest"),
        ("consul:2.0", "", "2.0"),
        ("consul@sha256:ab", "", "sha256:ab"),
    ],
)
def test_a_tag_that_moves_pins_nothing(address: str, version: str, said: str) -> None:
    (words,) = found("CP501", {}, f"oci://registry.example.com/{address}", version)
    assert f"'{said}'" in words


@pytest.mark.parametrize("quantity", [0, 0.0, "0", "0m", "0.0", ".0", "0Mi", "0e3", "+0", None, ""])
@pytest.mark.parametrize("name", ["cpu", "memory"])
def test_a_limit_of_nothing_is_none(name: str, quantity: object) -> None:
    (words,) = found("CP509", {"server": {"resources": {"limits": {name: quantity}}}})
    assert words == "has containers without limits: values.server.resources"


@pytest.mark.parametrize("quantity", [1, 0.5, "0.5", "100m", "1e3", "10Mi", "1"])
def test_a_limit_of_something_is_one(quantity: object) -> None:
    assert found("CP509", {"server": {"resources": {"limits": {"cpu": quantity}}}}) == []
