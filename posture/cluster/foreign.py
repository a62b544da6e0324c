"""What others have in a cluster that the removal of Consul's chart would harm."""

from __future__ import annotations

from typing import TYPE_CHECKING

from posture.cluster.connection import ApiResource
from posture.cluster.owners import HELM_RELEASE, owner_of
from posture.errors import InputError
from posture.model.chart import CHART
from posture.model.manifests.custom_resources import API_VERSION
from posture.model.manifests.gateway_api import GROUP

if TYPE_CHECKING:
    from collections.abc import Iterator

    from posture.cluster.connection import Connection
    from posture.model.manifests.placement import Manifest

__all__ = ["check_nothing_foreign"]

_DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_OF_GATEWAY_CLASS = {"GatewayClass", "GatewayClassConfig"}


def check_nothing_foreign(connection: Connection, stack: str) -> None:
    """Look whether Consul can be removed and harm nobody else.

    Others' custom resources of Consul would outlive the controller that finalises them: they would keep their
    definitions from being deleted, and the removal of the chart would hang. Others' gateways and routes would be
    deleted with the Gateway API's definitions, where those came with the chart.

    Raises:
        InputError: There are such; which, and how to delete the first.
    """
    foreign = list(_foreign_objects(connection, stack))
    if foreign:
        raise InputError(
            f"Consul can't be removed while these are there, which are not this stack's: {', '.join(foreign)}; "
            f"nothing was deleted; delete them first: kubectl delete {foreign[0]} --context {connection.context}"
        )


def _foreign_objects(connection: Connection, stack: str) -> Iterator[str]:
    for resource in (*connection.resources(API_VERSION), *_gateway_kinds_of_the_chart(connection)):
        for each in (connection.get(resource.path()) or {}).get("items", ()):
            if owner_of(each, stack) and not _is_the_charts_own({"kind": resource.kind, **each}):
                metadata = each["metadata"]
                place = f" -n {metadata['namespace']}" if resource.namespaced else ""
                yield f"{resource.name}.{resource.group}/{metadata['name']}{place}"


def _gateway_kinds_of_the_chart(connection: Connection) -> Iterator[ApiResource]:
    """The kinds of the Gateway API whose definitions the chart has brought (its `manageExternalCRDs`)."""
    for each in (connection.get(_DEFINITIONS) or {}).get("items", ()):
        spec, annotations = each["spec"], each["metadata"].get("annotations") or {}
        served = [version["name"] for version in spec["versions"] if version["served"]]
        if spec["group"] == GROUP and annotations.get(HELM_RELEASE) == CHART and served:
            names = spec["names"]
            yield ApiResource(f"{GROUP}/{served[0]}", names["kind"], names["plural"], spec["scope"] == "Namespaced")


def _is_the_charts_own(manifest: Manifest) -> bool:
    """Whether it is the gateway class or its configuration, which a hook of our release makes, and another removes.

    Helm doesn't know them (consul-k8s: `gateway-resources`, `gateway-cleanup`).
    """
    labels = manifest["metadata"].get("labels") or {}
    return manifest["kind"] in _OF_GATEWAY_CLASS and (labels.get("heritage"), labels.get("release")) == ("Helm", CHART)
