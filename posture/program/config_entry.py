"""One config entry as one Pulumi resource.

Always the untyped `ConfigEntry`: pulumi-consul 3.15.2's typed `ConfigEntryServiceIntentions` drops `pathPrefix`
silently, which widens a rule to every path.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pulumi
import pulumi_consul as consul

if TYPE_CHECKING:
    from collections.abc import Sequence

    from posture.model.entries import Entry

__all__ = ["config_entry"]


def config_entry(
    entry: Entry,
    parent: pulumi.Resource,
    depends_on: Sequence[pulumi.Resource] = (),
    hooks: pulumi.ResourceHookBinding | None = None,
) -> consul.ConfigEntry:
    """Declare an entry; its resource is named by kind and name, so that a posture switch finds it again."""
    return consul.ConfigEntry(
        entry.label,
        kind=entry.kind,
        name=entry.name,
        config_json=entry.json,
        opts=pulumi.ResourceOptions(parent=parent, depends_on=list(depends_on), hooks=hooks),
    )
