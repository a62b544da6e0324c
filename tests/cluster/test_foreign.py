"""What keeps Consul from being removed is what others have made, and not what the chart's own hooks have."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from posture.cluster.checks import check_nothing_foreign
from posture.cluster.connection import ApiResource, Connection
from posture.errors import InputError

API = "consul.hashicorp.com/v1alpha1"
DEFAULTS = ApiResource(API, "ServiceDefaults", "servicedefaults", namespaced=True)
CLASSES = ApiResource(API, "GatewayClassConfig", "gatewayclassconfigs", namespaced=False)
OURS = {"app.kubernetes.io/managed-by": "consul-posture", "app.kubernetes.io/instance": "prod"}
THE_CHARTS = {
    "app": "consul",
    "chart": "consul-helm",
    "component": "api-gateway",
    "heritage": "Helm",
    "release": "consul",
}
"""As chart 1.9.7 labels what its hook `gateway-resources` makes."""


class Cluster(Connection):
    """Has an object of each kind, with these labels. Lists tell no kind, as an API server's don't."""

    context = "c"

    def __init__(self, defaults: dict[str, str], classes: dict[str, str]) -> None:
        self.held = {
            DEFAULTS: {"metadata": {"name": "details", "namespace": "bookinfo", "labels": defaults}},
            CLASSES: {"metadata": {"name": "consul-api-gateway", "labels": classes}},
        }
        self.resources = cache(lambda _: tuple(self.held))

    def get(self, path: str, **_query: str) -> dict[str, Any] | None:
        return {"items": [each for resource, each in self.held.items() if resource.path() == path]}


def test_the_charts_own_configuration_of_the_gateway_class_is_no_hindrance() -> None:
    check_nothing_foreign(Cluster(OURS, THE_CHARTS), "prod")


@pytest.mark.parametrize(
    ("defaults", "classes", "named"),
    [
        ({}, THE_CHARTS, "servicedefaults.consul.hashicorp.com/details -n bookinfo"),
        (THE_CHARTS, THE_CHARTS, "servicedefaults.consul.hashicorp.com/details -n bookinfo"),
        (OURS, {}, "gatewayclassconfigs.consul.hashicorp.com/consul-api-gateway"),
        (OURS, {**THE_CHARTS, "release": "another"}, "gatewayclassconfigs.consul.hashicorp.com/consul-api-gateway"),
    ],
)
def test_what_others_have_made_is_named(defaults: dict[str, str], classes: dict[str, str], named: str) -> None:
    with pytest.raises(InputError) as refused:
        check_nothing_foreign(Cluster(defaults, classes), "prod")
    assert f"which are not this stack's: {named}; nothing was deleted" in str(refused.value)
