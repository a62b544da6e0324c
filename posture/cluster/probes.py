"""The containers that send requests from inside of pods: ephemeral ones, which share a pod's network and its identity.

One is added to a pod, and stays: Kubernetes can't take it away, so the next verification uses the same.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from posture.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from posture.cluster.connection import Connection
    from posture.cluster.pods import Pod

__all__ = ["IDLE", "SECURITY", "ensure_probe", "wait_for"]

_NAME = "posture-verify"
_PATIENCE = 120
"""Seconds for an image to be pulled and a container to start."""

IDLE = ("sh", "-c", "trap 'exit 0' TERM; while :; do sleep 3600 & wait $!; done")
"""Waits until it is ended; a plain `sleep` as the first process would not hear of it."""

SECURITY = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    # Neither consul-dataplane's 5995 nor connect-init's 5996, whose traffic is not led through the sidecar.
    "runAsUser": 65532,
    "seccompProfile": {"type": "RuntimeDefault"},
}
"""What the pod security level `restricted` asks for."""


def ensure_probe(connection: Connection, pod: Pod, image: str, mounts: Iterable[dict[str, Any]]) -> str:
    """The name of a pod's probing container, which is made where there is none that runs.

    Args:
        connection: The cluster.
        pod: Whose.
        image: Has `curl` and a shell.
        mounts: Mounts of the pod's own volumes.

    Raises:
        InputError: It may not be made, or does not start.
    """
    found = connection.get(pod.path()) or {}
    names: list[str] = [each["name"] for each in found.get("spec", {}).get("ephemeralContainers", ())]
    running = [name for name in names if name.startswith(_NAME) and "running" in _state(found, name)]
    if running:
        return running[-1]
    name = f"{_NAME}-{len(names)}"
    container = {
        "name": name,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": list(IDLE),
        "securityContext": SECURITY,
        "volumeMounts": [{**each, "readOnly": True} for each in mounts],
    }
    connection.patch(pod.path("ephemeralcontainers"), {"spec": {"ephemeralContainers": [container]}})
    wait_for(connection, pod.path(), name)
    return name


def wait_for(connection: Connection, path: str, container: str) -> dict[str, Any]:
    """The pod at a path, when a container of it runs.

    Raises:
        InputError: It doesn't in time, or its image can't be had.
    """
    until = time.monotonic() + _PATIENCE
    state: dict[str, Any] = {}
    while time.monotonic() < until:
        pod = connection.get(path) or {}
        state = _state(pod, container)
        if "running" in state:
            return pod
        waiting = state.get("waiting", {})
        if "terminated" in state or waiting.get("reason", "").startswith(("ErrImage", "ImagePull", "InvalidImage")):
            break
        time.sleep(0.2)
    details: dict[str, Any] = next(iter(state.values()), {})
    words = f"{details.get('reason', 'it does not start')} {details.get('message', '')}".strip()
    raise InputError(f"container {container} of {path.rpartition('/')[2]}: {words}; set 'probeImage' to one with curl")


def _state(pod: dict[str, Any], container: str) -> dict[str, Any]:
    status = pod.get("status", {})
    statuses = [*status.get("containerStatuses", ()), *status.get("ephemeralContainerStatuses", ())]
    return next((each.get("state", {}) for each in statuses if each["name"] == container), {})
