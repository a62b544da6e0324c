"""When a cluster is looked at: before anything is declared, and before anything is deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pulumi

from posture.cluster.checks import Plan, check_cluster
from posture.cluster.connection import UnreachableError
from posture.cluster.foreign import check_nothing_foreign
from posture.model.manifests import gateway_api
from posture.model.manifests.custom_resources import read_custom_resource

if TYPE_CHECKING:
    from posture.cluster.connection import Connection
    from posture.model.entries import Entry
    from posture.model.manifests.placement import Manifest

__all__ = ["check_before", "keep_if_foreign"]


def check_before(connection: Connection, plan: Plan) -> tuple[Entry, ...]:
    """Look whether the cluster can take what is planned; the entries that it has. A preview needs no cluster.

    Raises:
        InputError: What is in the way.
    """
    try:
        there = check_cluster(connection, plan)
    except UnreachableError as error:
        if not pulumi.runtime.is_dry_run():
            raise
        pulumi.log.warn(f"previewed without a look into the cluster: {error}")
        return ()
    return tuple(entry for each in there if (entry := _entry(each)))


def _entry(found: Manifest) -> Entry | None:
    """What an object makes; None for a gateway or a route that none of ours looks like, by another's hand."""
    if found["kind"] not in gateway_api.KINDS:
        return read_custom_resource(found)
    try:
        return gateway_api.read_gateway_object(found)
    except (AttributeError, KeyError, TypeError):
        return None


def keep_if_foreign(connection: Connection, stack: str) -> pulumi.ResourceHookBinding:
    """A hook that lets nothing be deleted while others have what the removal of Consul would harm.

    With a hook, the engine refuses a `pulumi destroy` without `--run-program`.
    """

    def check(_args: pulumi.ResourceHookArgs) -> None:
        check_nothing_foreign(connection, stack)

    hook = pulumi.ResourceHook("no-foreign-custom-resources", check)
    return pulumi.ResourceHookBinding(before_delete=[hook])
