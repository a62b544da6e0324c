"""Stands in for a scheduler and one kubelet, so that Deployments become available and Services get endpoints.

All it does is bind each pod to a node object of its own, report it as running and ready, with an address, and remove it
when it is to go. No container runs. What follows from ready pods (the status of ReplicaSets and Deployments, endpoints)
is done by the real controllers.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from tests.kubernetes.stand_ins import Object, Resource, StandIn, Write

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.kubernetes.control_plane import ControlPlane

__all__ = ["node"]

_NODE = "stand-in"
_CONDITIONS = ("PodScheduled", "Initialized", "ContainersReady", "Ready")


def node(control_plane: ControlPlane) -> StandIn:
    """The stand-in, not yet at work; its node object is there."""
    with control_plane.client("stand-in:node") as client:
        made = client.post("/api/v1/nodes", json={"metadata": {"name": _NODE}})
        assert made.is_success or made.status_code == 409, made.text
    addresses = (f"10.244.{number // 250}.{number % 250 + 1}" for number in count())

    def react(pod: Object) -> Iterator[Write]:
        status = pod["status"]
        if pod["metadata"].get("deletionTimestamp"):
            yield Write("DELETE", {"gracePeriodSeconds": 0})
        elif "nodeName" not in pod["spec"]:
            yield Write("POST", {"target": {"kind": "Node", "name": _NODE}, **_named(pod)}, "binding")
        elif status["phase"] == "Pending":
            conditions = [{"type": each, "status": "True"} for each in _CONDITIONS]
            address = next(addresses)
            ready = {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}], "conditions": conditions}
            yield Write("PATCH", {"status": ready}, "status")

    return StandIn(control_plane, "stand-in:node", {Resource("/api/v1", "pods"): react})


def _named(pod: Object) -> dict[str, object]:
    return {"metadata": {"name": pod["metadata"]["name"], "namespace": pod["metadata"]["namespace"]}}
