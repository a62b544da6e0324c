"""The cluster: a provider for one named context, and the namespaces that the stack owns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi
import pulumi_kubernetes as k8s

from posture.program.manifest import manifest_resource

if TYPE_CHECKING:
    from posture.model.manifests.placement import Manifest

__all__ = ["Cluster", "ClusterArgs"]


@dataclass(frozen=True)
class ClusterArgs:
    """How the cluster is reached, and its namespaces.

    Args:
        context: The kubeconfig's context; never left to whatever is the current one.
        kubeconfig: The file's path, or empty for `$KUBECONFIG`, else `~/.kube/config`.
        namespaces: The stack's own.
    """

    context: str
    kubeconfig: str
    namespaces: tuple[Manifest, ...]


class Cluster(pulumi.ComponentResource):
    """Has the ``provider`` that everything in the cluster is declared with, and the ``namespaces`` by name."""

    def __init__(self, name: str, args: ClusterArgs, opts: pulumi.ResourceOptions) -> None:
        super().__init__("posture:kubernetes:Cluster", name, None, opts)
        self.provider = k8s.Provider(
            "kubernetes",
            context=args.context,
            kubeconfig=args.kubeconfig or None,
            # Else a renewed certificate's Secret is deleted before it is made anew, and a gateway has none meanwhile.
            enable_secret_mutable=True,
            opts=pulumi.ResourceOptions(parent=self),
        )
        own = pulumi.ResourceOptions(parent=self, provider=self.provider)
        self.namespaces = {each["metadata"]["name"]: manifest_resource(each, own) for each in args.namespaces}
        self.register_outputs({})
