"""The namespaces that a stack owns, with the pod security level that Consul lets them have."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from posture.model.manifests.placement import Manifest, Placement

__all__ = ["application_namespace", "consul_namespace"]


def application_namespace(placement: Placement, *, cni: bool) -> Manifest:
    """The application's. Without Consul's CNI plugin init containers need NET_ADMIN, which only `privileged` has."""
    return _namespace(placement, placement.namespace, "restricted" if cni else "privileged")


def consul_namespace(placement: Placement, *, cni: bool) -> Manifest:
    """Consul's. The CNI plugin is installed by pods that mount folders of the host."""
    return _namespace(placement, placement.consul_namespace, "privileged" if cni else "restricted")


def _namespace(placement: Placement, name: str, level: str) -> Manifest:
    security = {"pod-security.kubernetes.io/enforce": level, "pod-security.kubernetes.io/warn": "restricted"}
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "labels": {**placement.labels, **security}},
    }
