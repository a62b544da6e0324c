"""How a stack's Deployments are, in the cluster's own words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from posture.cluster.connection import Connection

__all__ = ["DeploymentStatus", "deployments"]


@dataclass(frozen=True)
class DeploymentStatus:
    """A Deployment; ``exit`` says what keeps it from being available."""

    name: str
    state: Literal["running", "dead", "stopped"]
    since: datetime | None
    exit: str | None
    pid: int | None = None
    log: tuple[str, ...] = ()


def deployments(
    connection: Connection, namespace: str, stack: str, wanted: Iterable[Mapping[str, Any]]
) -> Iterator[DeploymentStatus]:
    """The Deployments of a stack in a namespace, and those of the manifests ``wanted`` that aren't there."""
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    found = connection.get(path, labelSelector=f"app.kubernetes.io/instance={stack}") or {}
    there = {each["metadata"]["name"]: _status(each) for each in found.get("items", ())}
    yield from there.values()
    names = (each["metadata"]["name"] for each in wanted)
    yield from (DeploymentStatus(name, "stopped", None, "is not there") for name in names if name not in there)


def _status(deployment: dict[str, Any]) -> DeploymentStatus:
    conditions = {each["type"]: each for each in deployment.get("status", {}).get("conditions", ())}
    available = conditions.get("Available", {})
    current = deployment["status"].get("observedGeneration") == deployment["metadata"]["generation"]
    if available.get("status") == "True" and current:
        since = datetime.fromisoformat(available["lastTransitionTime"])
        return DeploymentStatus(deployment["metadata"]["name"], "running", since, None)
    failed = [each.get("message", "") for each in conditions.values() if each["status"] == "False"]
    words = next(filter(None, failed), "not rolled out yet")
    return DeploymentStatus(deployment["metadata"]["name"], "dead", None, words)
