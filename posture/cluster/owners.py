"""Who an object of a cluster belongs to, as far as its own marks tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from posture.model.manifests.placement import MANAGED_BY

if TYPE_CHECKING:
    from posture.model.manifests.placement import Manifest

__all__ = ["HELM_RELEASE", "owner_of"]

HELM_RELEASE = "meta.helm.sh/release-name"
"""Helm's annotation of whatever a release has made."""
_ARGO_INSTANCE = "argocd.argoproj.io/tracking-id"


def owner_of(manifest: Manifest, stack: str) -> str | None:
    """Who else an object belongs to; None if it is the stack's."""
    metadata = manifest["metadata"]
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    instance = labels.get("app.kubernetes.io/instance")
    if labels.get("app.kubernetes.io/managed-by") == MANAGED_BY:
        return None if instance == stack else f"stack {instance}"
    if HELM_RELEASE in annotations:
        return f"Helm release {annotations[HELM_RELEASE]}"
    if _ARGO_INSTANCE in annotations:
        return f"Argo CD application {annotations[_ARGO_INSTANCE].partition(':')[0]}"
    managers = [each for each in metadata.get("managedFields") or () if not each.get("subresource")]
    managers.sort(key=lambda each: str(each.get("time", "")))  # controllers come after whoever has made it
    return str(managers[0]["manager"]) if managers else "somebody else"
