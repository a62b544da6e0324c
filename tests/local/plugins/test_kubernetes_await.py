from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

import pytest

from posture.local.plugins.kubernetes_await import unready

if TYPE_CHECKING:
    from posture.local.plugins.kubernetes_api import Cluster

CLUSTER = cast("Cluster", None)  # what is here asks none


def custom(wait_for: str, generation: int = 1, **status: object) -> dict[str, Any]:
    return {
        "apiVersion": "consul.hashicorp.com/v1alpha1",
        "kind": "Mesh",
        "metadata": {"name": "mesh", "generation": generation, "annotations": {"pulumi.com/waitFor": wait_for}},
        "status": status,
    }


def synced(status: str = "True", **more: object) -> list[dict[str, object]]:
    return [{"type": "Synced", "status": status, **more}]


@pytest.mark.parametrize(
    ("live", "lacks"),
    [
        (custom("condition=Synced", conditions=synced()), ""),
        (custom("condition=synced", conditions=synced()), ""),
        (custom("condition=Synced", generation=2, conditions=synced()), ""),
        (custom("condition=Synced=False", conditions=synced("False")), ""),
        (custom("condition=Synced"), "it has no condition Synced"),
        (
            custom("condition=Synced", conditions=synced("False", reason="R", message="m")),
            "condition Synced is False, not True (R: m)",
        ),
        (
            custom("condition=Synced", generation=2, conditions=synced(observedGeneration=1)),
            "condition Synced is of an earlier generation",
        ),
        (
            custom("condition=Synced", generation=2, observedGeneration=1, conditions=synced()),
            "condition Synced is of an earlier generation",
        ),
        (custom("jsonpath={.status.conditions[0].status}=True", conditions=synced()), ""),
        (custom("jsonpath={.status.phase}", phase="any"), ""),
        (custom("jsonpath={.status.phase}"), ".status.phase selects nothing"),
        (custom("jsonpath={.status['phase']}=a", phase="b"), ".status['phase'] is b, not a"),
        (custom("jsonpath={.status.ready}=true", ready=True), ""),
        (
            custom('["condition=Synced", "condition=Other"]', conditions=synced()),
            "it has no condition Other",
        ),
        (custom(""), ""),
    ],
)
def test_what_an_object_lacks_is_said(live: dict[str, Any], lacks: str) -> None:
    assert asyncio.run(unready(CLUSTER, live)) == lacks


def deployment(**status: object) -> dict[str, Any]:
    conditions = [{"type": "Available", "status": "True"}, {"type": "Progressing", "status": "True"}]
    counts = {"replicas": 2, "updatedReplicas": 2, "availableReplicas": 2, "observedGeneration": 3}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "details", "generation": 3},
        "spec": {"replicas": 2},
        "status": {"conditions": conditions, **counts, **status},
    }


@pytest.mark.parametrize(
    ("live", "lacks"),
    [
        (deployment(), ""),
        (deployment(observedGeneration=2), "its controller has not seen it yet"),
        (deployment(availableReplicas=1), "1 of 2 replicas are available"),
        (deployment(replicas=3), "2 of 2 replicas are available"),
        (deployment(updatedReplicas=1), "2 of 2 replicas are available"),
        (
            deployment(conditions=[{"type": "Available", "status": "False", "message": "too few"}]),
            "2 of 2 replicas are available; too few",
        ),
    ],
)
def test_a_deployment_is_ready_when_its_new_replicas_are_available_and_the_old_ones_gone(
    live: dict[str, Any], lacks: str
) -> None:
    assert asyncio.run(unready(CLUSTER, live)) == lacks
