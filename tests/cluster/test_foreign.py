"""What keeps Consul from being removed is what others have made, and not what the chart's own hooks have."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from posture.cluster.connection import ApiResource, Connection
from posture.cluster.foreign import check_nothing_foreign
from posture.errors import InputError

API = "consul.hashicorp.com/v1alpha1"
DEFAULTS = ApiResource(API, "ServiceDefaults", "servicedefaults", namespaced=True)
CLASSES = ApiResource(API, "GatewayClassConfig", "gatewayclassconfigs", namespaced=False)
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
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
        consul = {
            DEFAULTS: {"metadata": {"name": "details", "namespace": "bookinfo", "labels": defaults}},
            CLASSES: {"metadata": {"name": "consul-api-gateway", "labels": classes}},
        }
        self.held = {resource.path(): [each] for resource, each in consul.items()}
        self.resources = cache(lambda _: tuple(consul))

    def get(self, path: str, **_query: str) -> dict[str, Any] | None:
        return {"items": self.held.get(path, [])}

    def hold_gateways(self, brought_by: str | None, **labels: dict[str, str]) -> None:
        """Define them, and have one by each name with these labels."""
        annotations = {"meta.helm.sh/release-name": brought_by} if brought_by else {}
        spec: dict[str, Any] = {
            "group": "gateway.networking.k8s.io",
            "names": {"kind": "Gateway", "plural": "gateways"},
            "scope": "Namespaced",
            "versions": [{"name": "v1alpha2", "served": False}, {"name": "v1", "served": True}],
        }
        self.held[DEFINITIONS] = [{"metadata": {"annotations": annotations}, "spec": spec}]
        self.held["/apis/gateway.networking.k8s.io/v1/gateways"] = [
            {"metadata": {"name": name, "namespace": "web", "labels": each}} for name, each in labels.items()
        ]


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


def test_gateways_of_others_would_go_with_the_definitions_that_the_chart_has_brought() -> None:
    cluster = Cluster(OURS, THE_CHARTS)
    cluster.hold_gateways("consul", ours=OURS, shop={})
    with pytest.raises(
        InputError, match=r"this stack's: gateways\.gateway\.networking\.k8s\.io/shop -n web; nothing was"
    ):
        check_nothing_foreign(cluster, "prod")


@pytest.mark.parametrize("brought_by", [None, "traefik"])
def test_gateways_of_others_stay_where_the_chart_has_not_brought_their_definitions(brought_by: str | None) -> None:
    cluster = Cluster(OURS, THE_CHARTS)
    cluster.hold_gateways(brought_by, shop={})
    check_nothing_foreign(cluster, "prod")
