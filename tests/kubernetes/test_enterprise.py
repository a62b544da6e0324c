"""What is compiled for Consul Enterprise, before the definitions of the chart and a real, strict API server."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from posture.model.entries import Entry, Kind
from posture.model.limit_fields import Edition, Proxies, limit_fields
from posture.model.limit_reading import limit_of
from posture.model.limits import Limit
from posture.model.manifests.custom_resources import read_custom_resource, render_custom_resource
from posture.model.manifests.placement import Placement

if TYPE_CHECKING:
    from tests.kubernetes.control_plane import ControlPlane

pytestmark = pytest.mark.kubernetes


@pytest.mark.parametrize(
    "limit",
    [
        {"requests_per_second": 5, "burst": 9},
        {"routes": ({"path_exact": "/a", "requests_per_second": 5}, {"path_prefix": "/b", "requests_per_second": 7})},
    ],
)
def test_enterprise_s_own_rates_are_fields_of_the_definition(
    control_plane: ControlPlane, namespace: str, limit: dict[str, Any]
) -> None:
    entry = Entry(
        Kind.SERVICE_DEFAULTS,
        "details",
        limit_fields("details", Limit.model_validate(limit, by_name=True), Proxies(Edition.ENTERPRISE)),
    )
    manifest = render_custom_resource(entry, Placement("stack", "app", namespace, namespace, "v1", namespace, "tls"))
    control_plane.kubectl("apply", "--validate=strict", "--filename=-", given=json.dumps(manifest))
    found = json.loads(control_plane.kubectl("get", "servicedefaults/details", "-n", namespace, "--output=json"))
    control_plane.kubectl("delete", "servicedefaults/details", "-n", namespace)  # one of a name in all namespaces
    assert read_custom_resource(found) == read_custom_resource(manifest)
    assert limit_of(read_custom_resource(found).body) == limit_of(entry.body)
