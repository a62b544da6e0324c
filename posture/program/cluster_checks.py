"""When a cluster is looked at: before anything is declared, and before anything is deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pulumi

from posture.cluster.checks import Plan, check_cluster, check_nothing_foreign
from posture.cluster.connection import UnreachableError

if TYPE_CHECKING:
    from posture.cluster.connection import Connection

__all__ = ["check_before", "keep_if_foreign"]


def check_before(connection: Connection, plan: Plan) -> None:
    """Look whether the cluster can take what is planned; a preview needs no cluster.

    Raises:
        InputError: What is in the way.
    """
    try:
        check_cluster(connection, plan)
    except UnreachableError as error:
        if not pulumi.runtime.is_dry_run():
            raise
        pulumi.log.warn(f"previewed without a look into the cluster: {error}")


def keep_if_foreign(connection: Connection, stack: str) -> pulumi.ResourceHookBinding:
    """A hook that lets nothing be deleted while others have custom resources of Consul's kinds.

    With a hook, the engine refuses a `pulumi destroy` without `--run-program`.
    """

    def check(_args: pulumi.ResourceHookArgs) -> None:
        check_nothing_foreign(connection, stack)

    hook = pulumi.ResourceHook("no-foreign-custom-resources", check)
    return pulumi.ResourceHookBinding(before_delete=[hook])
