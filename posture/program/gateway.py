"""The way in: the gateway's certificate, the routes to services, and last its HTTPS listener.

This is the one order in which Consul 1.22.7 serves it for certain: a listener that is written before its routes, or
deleted after them, may be left without them for good.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi

from posture.model.entries import Entry, Kind
from posture.model.order import key
from posture.program.config_entry import config_entry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from posture.model.order import Key

__all__ = ["Gateway", "GatewayArgs"]


@dataclass(frozen=True)
class GatewayArgs:
    """What the gateway is to have.

    Args:
        entries: The posture's, of which all but the gateway's own are left to others.
        in_force: Hooks that wait until entries are; None where nothing waits for the gateway.
    """

    entries: tuple[Entry, ...]
    in_force: Callable[[Iterable[Key]], pulumi.ResourceHookBinding | None] | None = None


class Gateway(pulumi.ComponentResource):
    """Three entries, each after the one before, and the listener in force before anything that waits for it."""

    def __init__(self, name: str, args: GatewayArgs, opts: pulumi.ResourceOptions) -> None:
        super().__init__("posture:gateway:Gateway", name, None, opts)
        before: list[pulumi.Resource] = []
        for kind in (Kind.FILE_SYSTEM_CERTIFICATE, Kind.HTTP_ROUTE, Kind.API_GATEWAY):
            own = [entry for entry in args.entries if entry.kind is kind]
            hooks = args.in_force(map(key, own)) if args.in_force and kind is Kind.API_GATEWAY else None
            before = [config_entry(entry, self, before, hooks) for entry in own]
        self.register_outputs({})
