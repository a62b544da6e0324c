"""One Kubernetes object as one Pulumi resource of its own type.

The types are named by their tokens, as the SDK's classes do it: to load those takes longer than all else of a preview.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pulumi

from posture.model.chart import GATEWAY_APIS
from posture.model.manifests.gateway_api import GROUP

if TYPE_CHECKING:
    from collections.abc import Mapping

    from posture.model.manifests.placement import Manifest

__all__ = ["annotated", "manifest_resource"]


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
    metadata = annotated(manifest)["metadata"]
    name = f"{manifest['kind']}/{metadata['name']}"
    group, _, version = manifest["apiVersion"].rpartition("/")
    token = f"kubernetes:{group or 'core'}/{version}:{manifest['kind']}"
    if group == GROUP:  # else another line of the chart would have it created while it is there
        others = [pulumi.Alias(type_=token.replace(f"/{version}:", f"/{each}:")) for each in GATEWAY_APIS - {version}]
        opts = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(aliases=others))
    return pulumi.CustomResource(token, name, {**manifest, "metadata": metadata}, opts)


def annotated(manifest: Manifest) -> Manifest:
    """An object with what the provider is told by annotations."""
    added = _ANNOTATIONS.get(manifest["kind"])
    if added is None:
        return manifest
    metadata = manifest["metadata"]
    return {**manifest, "metadata": {**metadata, "annotations": {**metadata.get("annotations", {}), **added}}}
