"""All objects that a stack has in its cluster, grouped as they rely on each other: each group on those before it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from posture.model.entries import Kind, compile_entries
from posture.model.manifests.custom_resources import render_custom_resource
from posture.model.manifests.gateway_api import render_gateway, render_reference_grant, render_route
from posture.model.manifests.namespaces import application_namespace, consul_namespace
from posture.model.manifests.workloads import Workload, workloads

if TYPE_CHECKING:
    from collections.abc import Iterator

    from posture.model.application import Application
    from posture.model.manifests.placement import Manifest, Placement
    from posture.model.posture import Posture
    from posture.model.settings import Settings

__all__ = ["Inventory", "inventory"]


@dataclass(frozen=True)
class Inventory:
    """A stack's objects. The Helm release and the Secret of a certificate that is given in PEM are not among them.

    Args:
        placement: What their names have in common.
        namespaces: The namespaces that the stack owns: its application's, and Consul's where it installs Consul.
        mesh: What holds for every proxy: mutual TLS, normalised paths.
        services: What each service speaks and bears.
        intentions: Deny for all, then one for each destination.
        workloads: The application's pods.
        gateway: Leave to use the certificate where it is needed, the listener, and the routes.
    """

    placement: Placement
    namespaces: tuple[Manifest, ...]
    mesh: tuple[Manifest, ...]
    services: tuple[Manifest, ...]
    intentions: tuple[Manifest, ...]
    workloads: tuple[Workload, ...]
    gateway: tuple[Manifest, ...]

    def __iter__(self) -> Iterator[Manifest]:
        """All of them in an order in which they can be created."""
        yield from (*self.namespaces, *self.mesh, *self.services, *self.intentions)
        for workload in self.workloads:
            yield from (workload.service_account, workload.service, *workload.deployments)
        yield from self.gateway


def inventory(application: Application, posture: Posture, settings: Settings, stack: str) -> Inventory:
    """The objects for a posture, by the settings of a stack that were checked."""
    placement = settings.placement(stack, application)
    entries = compile_entries(application, posture, settings.proxies)

    def rendered(*kinds: Kind) -> tuple[Manifest, ...]:
        return tuple(render_custom_resource(entry, placement) for entry in entries if entry.kind in kinds)

    cni = settings.consul_cni
    ports = {name: service.port for name, service in application.services.items()}
    listeners = [render_gateway(entry, placement) for entry in entries if entry.kind is Kind.API_GATEWAY]
    routes = [render_route(entry, placement, ports) for entry in entries if entry.kind is Kind.HTTP_ROUTE]
    leave = render_reference_grant(placement)
    return Inventory(
        placement=placement,
        namespaces=(
            *((consul_namespace(placement, cni=cni),) if settings.consul_is_ours else ()),
            application_namespace(placement, cni=cni),
        ),
        mesh=rendered(Kind.PROXY_DEFAULTS, Kind.MESH),
        services=rendered(Kind.SERVICE_DEFAULTS),
        intentions=rendered(Kind.SERVICE_INTENTIONS),
        workloads=tuple(workloads(application, placement, settings.images, settings.envoy_workers)),
        gateway=(*((leave,) if leave else ()), *listeners, *routes),
    )
