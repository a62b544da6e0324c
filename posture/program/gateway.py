"""The way in: the gateway's certificate, its HTTPS listener and the routes to services, in that order."""

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
    """A route is accepted once its gateway is there, and a gateway once its certificate is."""

    def __init__(self, name: str, args: GatewayArgs, opts: pulumi.ResourceOptions) -> None:
        super().__init__("posture:gateway:Gateway", name, None, opts)
        before: list[pulumi.Resource] = []
        for kind in (Kind.FILE_SYSTEM_CERTIFICATE, Kind.API_GATEWAY, Kind.HTTP_ROUTE):
            before = [config_entry(entry, self, before) for entry in args.entries if entry.kind is kind]
        self.register_outputs({})
