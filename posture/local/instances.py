"""Turns an application into the instances that run: one for each version of a service, and one for each client."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from posture.local.layout import Layout
    from posture.model.application import Application

__all__ = ["SIDECAR_PORT", "Instance", "instances"]

SIDECAR_PORT = 20000
"""Where each sidecar takes mesh traffic: the first of Consul's own default range for sidecars."""

_FIRST_UPSTREAM_PORT = 9101


@dataclass(frozen=True)
class Instance:
    """A member of the mesh: an identity, an address of its own, and what stands there.

    Args:
        name: Unique in the stack: `reviews-v2`, or a client's name. Consul's service id.
        service: The identity: the name that intentions speak of.
        version: None for a client, as port and protocol are; its command is empty.
        upstreams: Callee to the port on this instance's address where the sidecar takes calls to it.
    """

    name: str
    service: str
    address: str
    upstreams: Mapping[str, int]
    version: str | None = None
    port: int | None = None
    protocol: Literal["http", "tcp"] | None = None
    command: tuple[str, ...] = ()

    @property
    def sidecar(self) -> str:
        """Consul's id of the instance's sidecar, the one that Consul makes up."""
        return f"{self.name}-sidecar-proxy"

    @property
    def environment(self) -> dict[str, str]:
        """What the instance's process needs to know: where to listen, who it is, where its callees are."""
        urls = {
            f"{callee.upper().replace('-', '_')}_URL": f"http://{self.address}:{port}"
            for callee, port in self.upstreams.items()
        }
        own = {"LISTEN_ADDRESS": self.address, "LISTEN_PORT": self.port, "SERVICE_VERSION": self.version}
        return urls | {key: str(value) for key, value in own.items() if value is not None}


def instances(application: Application, layout: Layout) -> tuple[Instance, ...]:
    """All instances in the application's order, which decides their addresses."""
    members = [
        (f"{name}-{version}", name, version, service)
        for name, service in application.services.items()
        for version in service.versions
    ]
    servers = [
        Instance(
            name=member,
            service=name,
            address=layout.address(position),
            upstreams=_upstreams(call.to for call in service.calls),
            version=version,
            port=service.port,
            protocol=service.protocol,
            command=service.command,
        )
        for position, (member, name, version, service) in enumerate(members)
    ]
    clients = [
        Instance(name, name, layout.address(position), _upstreams(call.to for call in client.calls))
        for position, (name, client) in enumerate(application.clients.items(), start=len(servers))
    ]
    return (*servers, *clients)


def _upstreams(callees: Iterable[str]) -> dict[str, int]:
    return {callee: port for port, callee in enumerate(dict.fromkeys(callees), start=_FIRST_UPSTREAM_PORT)}
