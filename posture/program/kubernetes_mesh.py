"""The `kubernetes` target: the same entries as custom resources, with Consul and the application around them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pulumi

from posture.model.manifests import gateway_api
from posture.model.manifests.custom_resources import render_custom_resource
from posture.model.order import entrance_first
from posture.program.cluster import Cluster, ClusterArgs
from posture.program.cluster_gateway import ClusterGateway, ClusterGatewayArgs, Pem
from posture.program.consul_release import ConsulRelease, ConsulReleaseArgs
from posture.program.manifest import manifest_resource
from posture.program.security import Security, SecurityArgs
from posture.program.workloads import Workloads, WorkloadsArgs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from posture.model.entries import Entry
    from posture.model.manifests.inventory import Inventory

__all__ = ["KubernetesMesh", "KubernetesMeshArgs", "Release"]


@dataclass(frozen=True)
class Release:
    """How Consul is installed; see `ConsulReleaseArgs`."""

    version: str
    path: str
    values: Mapping[str, Any]


@dataclass(frozen=True)
class KubernetesMeshArgs:
    """What the stack has in which cluster.

    Args:
        context: The kubeconfig's context.
        kubeconfig: The file, or empty.
        entries: The posture's.
        held: Those that the cluster has.
        inventory: All objects, the entries among them.
        release: None where Consul is there already.
        pem: The gateway's certificate; None where its Secret is there already.
        before_delete: What to check before anything is deleted.
    """

    context: str
    kubeconfig: str
    entries: tuple[Entry, ...]
    held: tuple[Entry, ...]
    inventory: Inventory
    release: Release | None
    pem: Pem | None
    before_delete: pulumi.ResourceHookBinding | None = None


class KubernetesMesh(pulumi.ComponentResource):
    """A mesh that enforces a posture: Consul, security, then the pods that it protects, then the way in.

    The way in comes before security where it only tightens.

    Destroying goes the other way round: custom resources go while the controller that clears their finalizers is still
    there, and namespaces last.
    """

    def __init__(self, name: str, args: KubernetesMeshArgs) -> None:
        super().__init__("posture:kubernetes:Mesh", name)
        found = args.inventory
        parent = pulumi.ResourceOptions(parent=self)
        cluster = Cluster(name, ClusterArgs(args.context, args.kubeconfig, found.namespaces), parent)

        def after(*resources: pulumi.Resource) -> pulumi.ResourceOptions:
            return pulumi.ResourceOptions(parent=self, providers=[cluster.provider], depends_on=list(resources))

        before: pulumi.Resource = cluster
        if args.release:
            release = ConsulReleaseArgs(found.placement.consul_namespace, **vars(args.release))
            before = ConsulRelease(name, release, after(cluster))

        def declare(
            entry: Entry,
            parent: pulumi.Resource,
            depends_on: Sequence[pulumi.Resource] = (),
            hooks: pulumi.ResourceHookBinding | None = None,
        ) -> pulumi.Resource:
            manifest = render_custom_resource(entry, found.placement)
            opts = pulumi.ResourceOptions(parent=parent, depends_on=list(depends_on), hooks=hooks)
            return manifest_resource(manifest, opts)

        def mesh(*earlier: pulumi.Resource) -> tuple[pulumi.Resource, ...]:
            security = Security(name, SecurityArgs(args.entries, args.held, declare), after(before, *earlier))
            return security, Workloads(name, WorkloadsArgs(found.workloads), after(security))

        def gateway(*earlier: pulumi.Resource) -> pulumi.Resource:
            own = ClusterGatewayArgs(found.placement, args.pem, found.gateway, args.before_delete)
            return ClusterGateway(name, own, after(before, *earlier))

        entrance = [
            gateway_api.read_gateway_object(each) for each in found.gateway if each["kind"] in gateway_api.KINDS
        ]
        if entrance_first(args.held, entrance):
            mesh(gateway())
        else:
            gateway(*mesh())
        self.register_outputs({})
