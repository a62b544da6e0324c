"""Who may call whom: the mesh's defaults, what each service speaks and bears, and the intentions on top of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import pulumi

from posture.model.entries import Entry, Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Declare", "Intentions", "Security", "SecurityArgs"]


class Declare(Protocol):
    """Declares an entry as the resource that it is on a target."""

    def __call__(
        self, entry: Entry, parent: pulumi.Resource, depends_on: Sequence[pulumi.Resource] = ()
    ) -> pulumi.Resource:
        """Declare it, to be created after others."""


@dataclass(frozen=True)
class SecurityArgs:
    """The entries of a posture, of which the gateway's are left to the gateway, and how the target declares them."""

    entries: tuple[Entry, ...]
    declare: Declare

    def of(self, *kinds: Kind) -> tuple[Entry, ...]:
        """The entries of these kinds, in their order."""
        return tuple(entry for entry in self.entries if entry.kind in kinds)


class Security(pulumi.ComponentResource):
    """Everything that an intention relies on comes before it: TLS, path normalisation, the service's protocol."""

    def __init__(self, name: str, args: SecurityArgs, opts: pulumi.ResourceOptions) -> None:
        super().__init__("posture:security:Security", name, None, opts)
        mesh = [args.declare(entry, self) for entry in args.of(Kind.PROXY_DEFAULTS, Kind.MESH)]
        services = [args.declare(entry, self, mesh) for entry in args.of(Kind.SERVICE_DEFAULTS)]
        Intentions(name, args, pulumi.ResourceOptions(parent=self, depends_on=services))
        self.register_outputs({})


class Intentions(pulumi.ComponentResource):
    """Deny for all, then one entry per destination; Consul refuses L7 permissions before the protocol is http."""

    def __init__(self, name: str, args: SecurityArgs, opts: pulumi.ResourceOptions) -> None:
        super().__init__("posture:security:Intentions", name, None, opts)
        deny_all, *destinations = args.of(Kind.SERVICE_INTENTIONS)
        first = args.declare(deny_all, self)
        for entry in destinations:
            args.declare(entry, self, [first])
        self.register_outputs({})
