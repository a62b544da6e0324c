"""One Kubernetes object as one Pulumi resource of its own type."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pulumi_kubernetes as k8s

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pulumi

    from posture.model.manifests.placement import Manifest

__all__ = ["manifest_resource"]

_TYPES: Mapping[tuple[str, str], Callable[..., pulumi.CustomResource]] = {
    ("v1", "Namespace"): k8s.core.v1.Namespace,
    ("v1", "ServiceAccount"): k8s.core.v1.ServiceAccount,
    ("v1", "Service"): k8s.core.v1.Service,
    ("apps/v1", "Deployment"): k8s.apps.v1.Deployment,
}

_OURS_ALONE = {"pulumi.com/patchForce": "true"}
_SYNCED = {**_OURS_ALONE, "pulumi.com/waitFor": "condition=Synced"}
_ANNOTATIONS: Mapping[str, Mapping[str, str]] = {
    **dict.fromkeys(("ProxyDefaults", "Mesh", "ServiceDefaults", "ServiceIntentions"), _SYNCED),
    # `Programmed` may stay False while the gateway serves; Consul's controller sets this one.
    "Gateway": _SYNCED,
    "HTTPRoute": _OURS_ALONE,
    # It would be awaited for endpoints, which come with its Deployment, later.
    "Service": {"pulumi.com/skipAwait": "true"},
}
"""What the provider is told beside what it does by itself.

Who edits a rule by another tool comes to own its fields, and without `patchForce` an update would stop there instead of
mending it. On an update, the condition that was true before satisfies `waitFor` at once.
"""


def manifest_resource(manifest: Manifest, opts: pulumi.ResourceOptions) -> pulumi.CustomResource:
    """Declare an object; its resource is named by kind and name, so that a posture switch finds it again."""
    fields = {key: value for key, value in manifest.items() if key not in {"apiVersion", "kind", "metadata"}}
    metadata = dict(manifest["metadata"])
    if manifest["kind"] in _ANNOTATIONS:
        metadata["annotations"] = {**metadata.get("annotations", {}), **_ANNOTATIONS[manifest["kind"]]}
    name = f"{manifest['kind']}/{metadata['name']}"
    own_type = _TYPES.get((manifest["apiVersion"], manifest["kind"]))
    if own_type is None:
        return k8s.apiextensions.CustomResource(
            name, api_version=manifest["apiVersion"], kind=manifest["kind"], metadata=metadata, opts=opts, **fields
        )
    properties = {_snake(key): value for key, value in fields.items()}
    return own_type(name, opts=opts, metadata=metadata, **properties)


def _snake(key: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in key)
