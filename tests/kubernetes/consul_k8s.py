"""Stands in for the controllers of consul-k8s, which in a cluster are a part of the Consul release.

All it does is what they tell the API server once Consul has taken an object, as consul-k8s 2.0 does it:

- config entries: the finalizer `finalizers.consul.hashicorp.com`, and `Synced=True`, without an observedGeneration. As
  there, a change of the object leaves that condition as it is.
- Gateways: the finalizer `gateway-finalizer.consul.hashicorp.com`, and `Accepted`, `Programmed` and `Synced`.
- HTTPRoutes: the same finalizer, and for each parent `Accepted`, `ResolvedRefs` and `Synced`.
- GatewayClasses: `Accepted`.

It removes its finalizer from what is to be deleted. There is no Consul behind it, it validates nothing, and it has none
of the webhooks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from tests.kubernetes.stand_ins import Object, Resource, StandIn, Write

if TYPE_CHECKING:
    from tests.kubernetes.control_plane import ControlPlane

__all__ = ["consul_k8s"]

Status = Callable[[Object], dict[str, Any] | None]

_CONSUL = "/apis/consul.hashicorp.com/v1alpha1"
_GATEWAY_API = "/apis/gateway.networking.k8s.io/v1"
_ENTRIES = (
    "controlplanerequestlimits",
    "exportedservices",
    "ingressgateways",
    "jwtproviders",
    "meshes",
    "proxydefaults",
    "samenessgroups",
    "servicedefaults",
    "serviceintentions",
    "serviceresolvers",
    "servicerouters",
    "servicesplitters",
    "terminatinggateways",
)
_CONTROLLER = "consul.hashicorp.com/gateway-controller"
_ENTRY_FINALIZER = "finalizers.consul.hashicorp.com"
_GATEWAY_FINALIZER = "gateway-finalizer.consul.hashicorp.com"


def consul_k8s(control_plane: ControlPlane, *, finalizers: bool = True) -> StandIn:
    """The stand-in, not yet at work.

    Args:
        control_plane: One that has the definitions of consul-k8s.
        finalizers: Whether to put finalizers on, so that objects stay until it has taken them off again. Those that are
            there it takes off either way.
    """

    def reaction(finalizer: str | None, status: Status) -> Callable[[Object], Iterator[Write]]:
        return partial(_react, finalizer=finalizer, add=finalizers, status=status)

    return StandIn(
        control_plane,
        "stand-in:consul-k8s",
        {
            **{Resource(_CONSUL, plural): reaction(_ENTRY_FINALIZER, _entry_status) for plural in _ENTRIES},
            Resource(_GATEWAY_API, "gatewayclasses"): reaction(None, _class_status),
            Resource(_GATEWAY_API, "gateways"): reaction(_GATEWAY_FINALIZER, _gateway_status),
            Resource(_GATEWAY_API, "httproutes"): reaction(_GATEWAY_FINALIZER, _route_status),
        },
    )


def _react(found: Object, finalizer: str | None, *, add: bool, status: Status) -> Iterator[Write]:
    metadata = found["metadata"]
    there = metadata.get("finalizers", [])
    if metadata.get("deletionTimestamp"):
        if finalizer in there:
            yield _finalizers(found, [each for each in there if each != finalizer])
    elif add and finalizer and finalizer not in there:
        yield _finalizers(found, [*there, finalizer])  # which is seen again, and then the status is written
    elif wanted := status(found):
        yield Write("PATCH", {"status": wanted}, "status")


def _finalizers(found: Object, finalizers: list[str]) -> Write:
    # With the version that was seen, so that nobody else's finalizer is lost.
    version = found["metadata"]["resourceVersion"]
    return Write("PATCH", {"metadata": {"finalizers": finalizers, "resourceVersion": version}})


def _entry_status(found: Object) -> dict[str, Any] | None:
    conditions = found.get("status", {}).get("conditions", ())
    if any(each["type"] == "Synced" and each["status"] == "True" for each in conditions):
        return None
    now = _now()
    return {"conditions": [{"type": "Synced", "status": "True", "lastTransitionTime": now}], "lastSyncedTime": now}


def _class_status(found: Object) -> dict[str, Any] | None:
    if found["spec"]["controllerName"] != _CONTROLLER:
        return None
    return _conditions(found, found.get("status", {}), "Accepted")


def _gateway_status(found: Object) -> dict[str, Any] | None:
    return _conditions(found, found.get("status", {}), "Accepted", "Programmed", "Synced")


def _route_status(found: Object) -> dict[str, Any] | None:
    references = found["spec"].get("parentRefs", [])
    there = found.get("status", {}).get("parents", [])
    if [each["parentRef"] for each in there] != references:
        there = [{}] * len(references)
    wanted = [_conditions(found, each, "Accepted", "ResolvedRefs", "Synced") for each in there]
    if not any(wanted):
        return None
    parents = [
        {"parentRef": reference, "controllerName": _CONTROLLER, **(new or old)}
        for reference, old, new in zip(references, there, wanted, strict=True)
    ]
    return {"parents": parents}


def _conditions(found: Object, status: Object, *types: str) -> dict[str, Any] | None:
    """These conditions (of the Gateway API, so with a generation), unless that status has all of them already."""
    generation = found["metadata"]["generation"]
    there = {(each["type"], each["status"], each.get("observedGeneration")) for each in status.get("conditions", ())}
    if there >= {(each, "True", generation) for each in types}:
        return None
    about = {"status": "True", "observedGeneration": generation, "lastTransitionTime": _now(), "message": ""}
    return {"conditions": [{"type": each, "reason": each, **about} for each in types]}


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
