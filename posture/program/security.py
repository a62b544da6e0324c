"""Who may call whom: the mesh's defaults, what each service speaks and bears, and the intentions on top of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import pulumi

from posture.model.entries import Entry, Kind
from posture.model.order import key, writes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from posture.model.order import Key

__all__ = ["Declare", "Security", "SecurityArgs"]

_KINDS = frozenset({Kind.PROXY_DEFAULTS, Kind.MESH, Kind.SERVICE_DEFAULTS, Kind.SERVICE_INTENTIONS})


class Declare(Protocol):
    """Declares an entry as the resource that it is on a target."""

    def __call__(
        self,
        entry: Entry,
        parent: pulumi.Resource,
        depends_on: Sequence[pulumi.Resource] = (),
        hooks: pulumi.ResourceHookBinding | None = None,
    ) -> pulumi.Resource:
        """Declare it, to be written after others."""


@dataclass(frozen=True)
class SecurityArgs:
    """What the mesh is to have, and how it gets there.

    Args:
        entries: The posture's, of which the gateway's are left to the gateway.
        held: What the mesh has now.
        declare: How the target declares an entry.
        in_force: Hooks that wait until entries are, of which there are few; None where nobody can tell.
    """

    entries: tuple[Entry, ...]
    held: tuple[Entry, ...]
    declare: Declare
    in_force: Callable[[Iterable[Key]], pulumi.ResourceHookBinding | None] | None = None


class Security(pulumi.ComponentResource):
    """All but the way in, written in an order in which no moment allows more than what is, or is to be, allowed."""

    def __init__(self, name: str, args: SecurityArgs, opts: pulumi.ResourceOptions) -> None:
        super().__init__("posture:security:Security", name, None, opts)
        intentions = Intentions(name, self)
        declared: dict[tuple[Kind, str], pulumi.Resource] = {}
        for write in writes(args.held, (entry for entry in args.entries if entry.kind in _KINDS)):
            parent = intentions if write.entry.kind is Kind.SERVICE_INTENTIONS else self
            after = [declared[each] for each in write.after]
            hooks = args.in_force(write.settles) if args.in_force and write.settles else None
            declared[key(write.entry)] = args.declare(write.entry, parent, after, hooks)
        self.register_outputs({})


class Intentions(pulumi.ComponentResource):
    """Groups the denial for all and one entry per destination."""

    def __init__(self, name: str, parent: pulumi.Resource) -> None:
        super().__init__("posture:security:Intentions", name, None, pulumi.ResourceOptions(parent=parent))
        self.register_outputs({})
