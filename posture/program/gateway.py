"""The way in: the gateway's certificate, the routes to services, and last its HTTPS listener.

Last to open and first to close, and the one order in which Consul 1.22.7 serves it for certain: a listener that is
written before its routes, or deleted after them, may be left without them for good.
"""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from posture.model.entries import Entry, Kind
from posture.program.config_entry import config_entry

__all__ = ["Gateway", "GatewayArgs"]


@dataclass(frozen=True)
class GatewayArgs:
    """The entries of a posture; all but the gateway's own are left to others."""

    entries: tuple[Entry, ...]


class Gateway(pulumi.ComponentResource):
    """Three entries, each after the one before."""

    def __init__(self, name: str, args: GatewayArgs, opts: pulumi.ResourceOptions) -> None:
        super().__init__("posture:gateway:Gateway", name, None, opts)
        before: list[pulumi.Resource] = []
        for kind in (Kind.FILE_SYSTEM_CERTIFICATE, Kind.HTTP_ROUTE, Kind.API_GATEWAY):
            before = [config_entry(entry, self, before) for entry in args.entries if entry.kind is kind]
        self.register_outputs({})
