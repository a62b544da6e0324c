"""A pod of a verification's own, without a sidecar, and with an identity that the application doesn't know."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from posture.cluster.pods import Pod
from posture.cluster.probes import IDLE, SECURITY, wait_for
from posture.errors import InputError
from posture.model.matrix import UNKNOWN

if TYPE_CHECKING:
    from posture.cluster.connection import Connection
    from posture.model.manifests.placement import Manifest, Placement

__all__ = ["CONTAINER", "make_outsider", "remove_outsider"]

CONTAINER = "posture-verify"
_NAME = "posture-verify"
_LONGEST = 3600
"""Seconds after which it ends by itself, should nobody be left to remove it."""

_PATIENCE = 60


def make_outsider(connection: Connection, placement: Placement, image: str) -> Pod:
    """Make it and wait until it runs; one that an earlier verification has left goes first.

    Consul's auth method goes by the service account's name alone, so that such a pod can have its own certificate.

    Raises:
        InputError: It can't be made, does not start, or the service account's name is somebody else's.
    """
    remove_outsider(connection, placement)
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": placement.metadata(UNKNOWN)}
    if connection.get(_account(placement)) is not None:
        raise InputError(
            f"a service account called '{UNKNOWN}' is there in {placement.namespace}; give it another name"
        )
    try:
        connection.create(_account(placement).rpartition("/")[0], account)
        connection.create(_pod(placement).rpartition("/")[0], _manifest(placement, image))
        found = wait_for(connection, _pod(placement), CONTAINER)
    except BaseException:
        remove_outsider(connection, placement)
        raise
    return Pod(UNKNOWN, _NAME, found["status"]["podIP"], found)


def remove_outsider(connection: Connection, placement: Placement) -> None:
    """Remove it with its service account, where they are the stack's, and wait until the pod is gone."""
    for path in (_pod(placement), _account(placement)):
        found = connection.get(path)
        labels = (found or {}).get("metadata", {}).get("labels") or {}
        if placement.labels.items() <= labels.items():
            connection.delete(path)
    until = time.monotonic() + _PATIENCE
    while connection.get(_pod(placement)) and time.monotonic() < until:
        time.sleep(0.2)


def _manifest(placement: Placement, image: str) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            **placement.metadata(_NAME),
            "annotations": {"consul.hashicorp.com/connect-inject": "false"},
        },
        "spec": {
            "serviceAccountName": UNKNOWN,
            "enableServiceLinks": False,
            "restartPolicy": "Never",
            "activeDeadlineSeconds": _LONGEST,
            "terminationGracePeriodSeconds": 1,
            "securityContext": {"fsGroup": SECURITY["runAsUser"]},
            "containers": [
                {
                    "name": CONTAINER,
                    "image": image,
                    "imagePullPolicy": "IfNotPresent",
                    "command": list(IDLE),
                    "resources": {
                        "requests": {"cpu": "50m", "memory": "64Mi"},
                        "limits": {"cpu": "500m", "memory": "128Mi"},
                    },
                    "securityContext": SECURITY,
                }
            ],
        },
    }


def _pod(placement: Placement) -> str:
    return f"/api/v1/namespaces/{placement.namespace}/pods/{_NAME}"


def _account(placement: Placement) -> str:
    return f"/api/v1/namespaces/{placement.namespace}/serviceaccounts/{UNKNOWN}"
