"""What stands in for a node and for consul-k8s does what it says, and no more."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import eventually
from tests.kubernetes.consul_k8s import consul_k8s
from tests.kubernetes.stand_ins import Object, Resource, StandIn, Write

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.kubernetes.control_plane import ControlPlane

pytestmark = pytest.mark.kubernetes

FINALIZER = "finalizers.consul.hashicorp.com"


def manifest(api_version: str, kind: str, spec: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": "details", **metadata}, "spec": spec}


DEFAULTS = manifest("consul.hashicorp.com/v1alpha1", "ServiceDefaults", {"protocol": "http"})
CLASS = manifest(
    "gateway.networking.k8s.io/v1", "GatewayClass", {"controllerName": "consul.hashicorp.com/gateway-controller"}
)
GATEWAY = manifest(
    "gateway.networking.k8s.io/v1",
    "Gateway",
    {"gatewayClassName": "details", "listeners": [{"name": "http", "port": 80, "protocol": "HTTP"}]},
)
ROUTE = manifest("gateway.networking.k8s.io/v1", "HTTPRoute", {"parentRefs": [{"name": "details"}]})
LABELS = {"app": "details"}
DEPLOYMENT = manifest(
    "apps/v1",
    "Deployment",
    {
        "replicas": 2,
        "selector": {"matchLabels": LABELS},
        "template": {"metadata": {"labels": LABELS}, "spec": {"containers": [{"name": "a", "image": "a:1"}]}},
    },
)
SERVICE = manifest("v1", "Service", {"selector": LABELS, "ports": [{"port": 9080}]})


class Namespace:
    """A namespace, by kubectl."""

    def __init__(self, control_plane: ControlPlane, name: str) -> None:
        self._control_plane = control_plane
        self._name = name

    def apply(self, *manifests: dict[str, Any]) -> None:
        given = json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests})
        self("apply", "--server-side", "--validate=strict", "--filename=-", given=given)

    def get(self, what: str) -> Any:
        return json.loads(self("get", what, "--output=json"))

    def has(self, what: str) -> bool:
        return bool(self("get", what, "--ignore-not-found"))

    def __call__(self, *arguments: str, given: str | None = None) -> str:
        return self._control_plane.kubectl(*arguments, "--namespace", self._name, given=given)


def ready_addresses(inside: Namespace) -> set[str]:
    return {
        address
        for each in inside.get("endpointslices")["items"]
        for endpoint in each["endpoints"] or ()
        for address in endpoint["addresses"]
        if endpoint["conditions"]["ready"]
    }


@pytest.fixture
def inside(control_plane: ControlPlane, namespace: str) -> Namespace:
    return Namespace(control_plane, namespace)


@pytest.mark.usefixtures("consul_k8s")
def test_a_config_entry_is_synced_and_can_be_deleted(inside: Namespace) -> None:
    inside.apply(DEFAULTS)
    inside("wait", "--for=condition=Synced", "--timeout=10s", "servicedefaults/details")
    found = inside.get("servicedefaults/details")
    assert found["metadata"]["finalizers"] == [FINALIZER]
    assert [set(each) for each in found["status"]["conditions"]] == [{"type", "status", "lastTransitionTime"}]
    inside("delete", "servicedefaults/details", "--timeout=10s")
    assert not inside.has("servicedefaults/details")


@pytest.mark.usefixtures("consul_k8s")
def test_a_changed_config_entry_keeps_its_old_condition(inside: Namespace) -> None:
    inside.apply(DEFAULTS)
    inside("wait", "--for=condition=Synced", "--timeout=10s", "servicedefaults/details")
    before = inside.get("servicedefaults/details")
    inside.apply({**DEFAULTS, "spec": {"protocol": "grpc"}})
    time.sleep(0.5)
    after = inside.get("servicedefaults/details")
    assert after["metadata"]["generation"] == before["metadata"]["generation"] + 1
    assert after["status"] == before["status"]


def test_a_config_entry_whose_controller_is_gone_stays_until_one_is_back(
    control_plane: ControlPlane, inside: Namespace
) -> None:
    inside.apply({**DEFAULTS, "metadata": {"name": "details", "finalizers": [FINALIZER]}})
    inside("delete", "servicedefaults/details", "--wait=false")
    time.sleep(0.5)
    assert inside.has("servicedefaults/details")
    with consul_k8s(control_plane, finalizers=False):
        eventually(lambda: not inside.has("servicedefaults/details"))


def test_without_finalizers_a_config_entry_is_synced_all_the_same(
    control_plane: ControlPlane, inside: Namespace
) -> None:
    with consul_k8s(control_plane, finalizers=False):
        inside.apply(DEFAULTS)
        inside("wait", "--for=condition=Synced", "--timeout=10s", "servicedefaults/details")
    assert "finalizers" not in inside.get("servicedefaults/details")["metadata"]


@pytest.mark.usefixtures("consul_k8s")
def test_a_gateway_and_its_route_are_programmed_and_can_be_deleted(inside: Namespace) -> None:
    inside.apply(CLASS, GATEWAY, ROUTE)
    inside("wait", "--for=condition=Accepted", "--timeout=10s", "gatewayclass/details")
    for condition in ("Accepted", "Programmed", "Synced"):
        inside("wait", f"--for=condition={condition}", "--timeout=10s", "gateway/details")
    (parent,) = eventually(lambda: inside.get("httproute/details").get("status", {}).get("parents"))
    assert parent["parentRef"]["name"] == "details"
    assert {(each["type"], each["status"], each["observedGeneration"]) for each in parent["conditions"]} == {
        ("Accepted", "True", 1),
        ("ResolvedRefs", "True", 1),
        ("Synced", "True", 1),
    }
    assert inside.get("gateway/details")["metadata"]["finalizers"] == ["gateway-finalizer.consul.hashicorp.com"]
    inside("delete", "gateway/details", "httproute/details", "gatewayclass/details", "--timeout=10s")
    assert not inside.has("gateways,httproutes")


@pytest.mark.usefixtures("node")
def test_a_deployment_becomes_available_and_its_service_gets_endpoints(inside: Namespace) -> None:
    inside.apply(DEPLOYMENT, SERVICE)
    inside("rollout", "status", "deployment/details", "--timeout=20s")
    eventually(lambda: len(ready_addresses(inside)) == 2, seconds=30)
    inside.apply({**DEPLOYMENT, "spec": {**DEPLOYMENT["spec"], "replicas": 0}})
    eventually(lambda: not inside.has("pods"), seconds=30)


def test_without_a_node_a_deployment_is_not_available(inside: Namespace) -> None:
    inside.apply(DEPLOYMENT)
    eventually(lambda: inside.has("pods"))
    assert inside.get("deployment/details")["status"].get("availableReplicas", 0) == 0


def test_an_error_of_a_stand_in_is_not_swallowed(control_plane: ControlPlane, inside: Namespace) -> None:
    def react(_: Object) -> Iterator[Write]:
        raise RuntimeError("no such thing")
        yield

    stand_in = StandIn(control_plane, "stand-in:test", {Resource("/api/v1", "configmaps"): react})
    inside("create", "configmap", "one")
    with pytest.raises(ExceptionGroup) as told, stand_in:
        eventually(lambda: not stand_in.is_at_work)
    assert told.group_contains(RuntimeError, match="no such thing")
