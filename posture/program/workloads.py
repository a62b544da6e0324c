"""The application's pods, behind the rules that protect them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi

from posture.program.manifest import manifest_resource

if TYPE_CHECKING:
    from posture.model.manifests.workloads import Workload

__all__ = ["Workloads", "WorkloadsArgs"]


@dataclass(frozen=True)
class WorkloadsArgs:
    """What to run."""

    workloads: tuple[Workload, ...]


class Workloads(pulumi.ComponentResource):
    """Services and identities first; a pod that starts without its Service is not registered in the mesh."""

    def __init__(self, name: str, args: WorkloadsArgs, opts: pulumi.ResourceOptions) -> None:
        super().__init__("posture:kubernetes:Workloads", name, None, opts)
        own = pulumi.ResourceOptions(parent=self)
        for workload in args.workloads:
            before = [manifest_resource(each, own) for each in (workload.service_account, workload.service)]
            for deployment in workload.deployments:
                manifest_resource(deployment, pulumi.ResourceOptions(parent=self, depends_on=before))
        self.register_outputs({})
