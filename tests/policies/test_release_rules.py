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
