"""What CP601 says of values that a preview doesn't know: those whose names are a secret's can't be judged."""

from __future__ import annotations

from typing import Any

import pytest

from policies.inputs import UNKNOWN, Secret, hidden
from policies.judging import Pack, judge_resource
from policies.reading import of_pulumi
from policies.registry import RULES

PROVIDER, POD, MAP, SECRET = (
    "pulumi:providers:consul",
    "kubernetes:core/v1:Pod",
    "kubernetes:core/v1:ConfigMap",
    "kubernetes:core/v1:Secret",
)
NAMED = {"metadata": {"name": "shop"}}


def pod(variable: dict[str, Any]) -> dict[str, Any]:
    return {**NAMED, "spec": {"containers": [{"name": "shop", "image": "shop:1", "env": [variable]}]}}


def found(kind: str, inputs: dict[str, Any]) -> list[str]:
    resource = of_pulumi(kind, "shop", inputs)
    return [each.words for each in judge_resource(RULES["CP601"], resource, Pack()) if each.refuses]


def test_the_words_say_that_it_is_not_known_yet_and_what_to_do() -> None:
    words = "holds a token that can't be judged: token is not known yet in this preview"
    assert found(PROVIDER, {"token": UNKNOWN}) == [f"{words}; mark it as a secret, by additionalSecretOutputs"]


@pytest.mark.parametrize(
    ("kind", "inputs", "place"),
    [
        (PROVIDER, {"auth": [{"clientSecret": UNKNOWN}]}, "auth.0.clientSecret"),
        (POD, pod({"name": "DB_PASSWORD", "value": UNKNOWN}), "spec.containers.0.env.0.DB_PASSWORD"),
        (MAP, {**NAMED, "data": {"api_key": UNKNOWN}}, "data.api_key"),
        (SECRET, {**NAMED, "stringData": {"login": UNKNOWN}}, "stringData.login"),
        (SECRET, {**NAMED, "data": UNKNOWN}, "data"),
        ("chart", {"extraConfig": {"acl": {"tokens": {"agent": UNKNOWN}}}}, "extraConfig.acl.tokens.agent"),
    ],
)
def test_an_unknown_value_under_a_secret_s_name_is_refused(kind: str, inputs: dict[str, Any], place: str) -> None:
    (words,) = found(kind, inputs)
    assert f"that can't be judged: {place} is not known yet" in words
    assert found(kind, hidden(inputs)) == []


@pytest.mark.parametrize(
    ("kind", "inputs"),
    [
        (PROVIDER, {"address": UNKNOWN, "tokenFile": UNKNOWN, "version": UNKNOWN}),
        (PROVIDER, {"token": Secret(UNKNOWN)}),
        (POD, pod({"name": "PORT", "value": UNKNOWN})),
        (POD, pod({"name": "DB_PASSWORD", "valueFrom": {"secretKeyRef": {"name": UNKNOWN, "key": UNKNOWN}}})),
        (SECRET, {**NAMED, "data": {"tls.crt": UNKNOWN}}),
    ],
)
def test_other_unknown_values_are_let_through(kind: str, inputs: dict[str, Any]) -> None:
    assert found(kind, inputs) == []


def test_only_what_is_not_known_is_hidden() -> None:
    plain = hidden({"token": "0b1c6bd7-77f7-4b8a-a8f8-7f5a1a2a7f0e"})
    assert found(PROVIDER, plain) == ["holds a token in plain text: token"]
