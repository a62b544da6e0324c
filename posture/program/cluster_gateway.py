"""The way in: the certificate's Secret where it is given in PEM, leave to use it, the listener, and last the routes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi
import pulumi_kubernetes as k8s

from posture.model.manifests.gateway_api import render_certificate
from posture.program.manifest import manifest_resource

if TYPE_CHECKING:
    from posture.model.manifests.placement import Manifest, Placement

__all__ = ["ClusterGateway", "ClusterGatewayArgs", "Pem"]


@dataclass(frozen=True)
class Pem:
    """A certificate and its private key, which is a secret all the way."""

    certificate: str
    key: pulumi.Output[str]


@dataclass(frozen=True)
class ClusterGatewayArgs:
    """What the gateway consists of.

    Args:
        placement: Names the Secret.
        pem: What to put into the Secret; None where it is there already.
        objects: Each relies on those before it.
        hooks: Are bound to the last of them, which is the last thing made and the first one deleted.
    """

    placement: Placement
    pem: Pem | None
    objects: tuple[Manifest, ...]
    hooks: pulumi.ResourceHookBinding | None


class ClusterGateway(pulumi.ComponentResource):
    """Last to open and first to close."""

    def __init__(self, name: str, args: ClusterGatewayArgs, opts: pulumi.ResourceOptions) -> None:
        super().__init__("posture:kubernetes:Gateway", name, None, opts)
        before: list[pulumi.Resource] = []
        if args.pem:
            before = [self._secret(args.placement, args.pem)]
        *first, last = args.objects
        for each in first:
            before = [manifest_resource(each, pulumi.ResourceOptions(parent=self, depends_on=before))]
        manifest_resource(last, pulumi.ResourceOptions(parent=self, depends_on=before, hooks=args.hooks))
        self.register_outputs({})

    def _secret(self, placement: Placement, pem: Pem) -> pulumi.Resource:
        secret = render_certificate(placement, pem.certificate, pem.key)
        return k8s.core.v1.Secret(
            f"Secret/{placement.certificate_name}",
            metadata=k8s.meta.v1.ObjectMetaArgs(**secret["metadata"]),
            type=secret["type"],
            string_data=secret["stringData"],
            opts=pulumi.ResourceOptions(parent=self),
        )
