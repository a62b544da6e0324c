"""Who may call whom: the mesh's defaults, what each service speaks and bears, and the intentions on top of them."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from posture.model.entries import Entry, Kind
from posture.program.config_entry import config_entry

__all__ = ["Intentions", "Security", "SecurityArgs"]


@dataclass(frozen=True)
class SecurityArgs:
    """The entries of a posture; the gateway's are left to the gateway."""

    entries: tuple[Entry, ...]

    def of(self, *kinds: Kind) -> tuple[Entry, ...]:
        """The entries of these kinds, in their order."""
        return tuple(entry for entry in self.entries if entry.kind in kinds)


class Security(pulumi.ComponentResource):
    """Everything that an intention relies on comes before it: TLS, path normalisation, the service's protocol."""

    def __init__(self, name: str, args: SecurityArgs, opts: pulumi.ResourceOptions) -> None:
        super().__init__("posture:security:Security", name, None, opts)
        mesh = [config_entry(entry, self) for entry in args.of(Kind.PROXY_DEFAULTS, Kind.MESH)]
        services = [config_entry(entry, self, mesh) for entry in args.of(Kind.SERVICE_DEFAULTS)]
        Intentions(name, args, pulumi.ResourceOptions(parent=self, depends_on=services))
        self.register_outputs({})


class Intentions(pulumi.ComponentResource):
    """Deny for all, then one entry per destination; Consul refuses L7 permissions before the protocol is http."""

    def __init__(self, name: str, args: SecurityArgs, opts: pulumi.ResourceOptions) -> None:
        super().__init__("posture:security:Intentions", name, None, opts)
        deny_all, *destinations = args.of(Kind.SERVICE_INTENTIONS)
        first = config_entry(deny_all, self)
        for entry in destinations:
            config_entry(entry, self, [first])
        self.register_outputs({})
