"""What rules see of the pods that a Kubernetes object runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from policies.inputs import bare, known
from policies.view import Container, Unreadable, Workload

if TYPE_CHECKING:
    from collections.abc import Iterator

    from policies.rule import Place

__all__ = ["KINDS", "read_workload"]

_POD: dict[str, Place] = {"Pod": ("spec",), "CronJob": ("spec", "jobTemplate", "spec", "template", "spec")}
KINDS = frozenset(
    {"CronJob", "DaemonSet", "Deployment", "Job", "Pod", "ReplicaSet", "ReplicationController", "StatefulSet"}
)
_REDIRECT = "consul.hashicorp.com/transparent-proxy"
_OF_CONTAINERS = frozenset({"readOnlyRootFilesystem"})
"""Fields that a pod's securityContext doesn't have, so that no container takes them from it."""


def read_workload(kind: str, manifest: dict[str, Any]) -> Workload | Unreadable:
    """A workload, by the name that Consul gives its pods, which is that of their service account.

    Only what rules need must be known: an environment variable may still be open in a preview.

    Raises:
        NotKnownError: Such a thing is not known.
    """
    place = _POD.get(kind, ("spec", "template", "spec"))
    annotated = (*place[:-1], "metadata", "annotations", _REDIRECT)
    redirects = known(manifest, *annotated)
    of_pod = known(manifest, *place, "securityContext") or {}
    name = known(manifest, *place, "serviceAccountName") or known(manifest, "metadata", "name")
    if not isinstance(of_pod, dict):
        return Unreadable("its securityContext is no map")
    of_pod = {key: value for key, value in of_pod.items() if key not in _OF_CONTAINERS}
    found = []
    for group in ("initContainers", "containers"):
        for i, each in _items(manifest, (*place, group)):
            here = (*place, group, i)
            if not isinstance(each, dict):
                return Unreadable(f"{group} has an item that is no map")
            security, limits = known(each, "securityContext") or {}, known(each, "resources", "limits") or {}
            if not isinstance(security, dict) or not isinstance(limits, dict):
                return Unreadable("a container's securityContext or limits are no map")
            image = str(known(each, "image") or "")
            found.append(Container(str(known(each, "name") or i), image, {**of_pod, **security}, limits, here))
    return Workload(kind, str(name), tuple(found), None if redirects is None else str(redirects), annotated)


def _items(manifest: dict[str, Any], place: Place) -> Iterator[tuple[int, Any]]:
    """The items of a list that need not be known all over; it, and all that it is in, may be a secret.

    Raises:
        NotKnownError: An item, the list, or something on the way to it is not known.
    """
    here: Any = manifest
    for i, part in enumerate(place):
        here = bare(here.get(part), place[: i + 1]) if isinstance(here, dict) else None
    for i, each in enumerate(here if isinstance(here, list) else ()):
        yield i, bare(each, (*place, i))
