"""The `local` target: config entries in the Consul of a mesh that runs as processes of this machine."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pulumi
import pulumi_consul as consul

from posture.errors import InputError
from posture.program.config_entry import config_entry
from posture.program.gateway import Gateway, GatewayArgs
from posture.program.security import Security, SecurityArgs

if TYPE_CHECKING:
    from posture.model.entries import Entry

__all__ = ["LocalMesh", "LocalMeshArgs"]


@dataclass(frozen=True)
class LocalMeshArgs:
    """A posture's entries and the address of the Consul that takes them. The token comes from the environment."""

    entries: tuple[Entry, ...]
    consul_address: str


class LocalMesh(pulumi.ComponentResource):
    """A mesh that enforces a posture: security first, then the gateway that lets visitors in.

    Raises:
        InputError: The mesh is not running, and this is no preview.
    """

    def __init__(self, name: str, args: LocalMeshArgs) -> None:
        super().__init__("posture:local:Mesh", name)
        if not pulumi.runtime.is_dry_run():
            _check_running(args.consul_address)
        provider = consul.Provider("consul", address=args.consul_address, opts=pulumi.ResourceOptions(parent=self))
        opts = pulumi.ResourceOptions(parent=self, providers=[provider])
        security = Security(name, SecurityArgs(args.entries, config_entry), opts)
        Gateway(
            name,
            GatewayArgs(args.entries),
            pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[security])),
        )
        self.register_outputs({})


def _check_running(consul_address: str) -> None:
    url = urlsplit(consul_address)
    try:
        socket.create_connection((url.hostname or "", url.port or 0), timeout=2).close()
    except OSError:
        stack = pulumi.get_stack()
        raise InputError(
            f"the mesh of stack '{stack}' is not running ({consul_address}); start it with 'posture up --stack {stack}'"
        ) from None
