"""Holds back what loosens until what tightens is in force: written is not yet enforced."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pulumi

from posture.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from posture.local.proxies import Proxies
    from posture.model.order import Key

__all__ = ["in_force"]


def in_force(proxies: Proxies) -> Callable[[Iterable[Key]], pulumi.ResourceHookBinding | None]:
    """Hooks for the last of some entries, which is not done, for those that wait for it, before all are enforced.

    None in a preview, which writes nothing.
    """

    def of(entries: Iterable[Key]) -> pulumi.ResourceHookBinding | None:
        if pulumi.runtime.is_dry_run():
            return None
        keys, taken = tuple(entries), proxies.updates()  # no two of these hooks have the same last entry

        async def wait(_args: pulumi.ResourceHookArgs) -> None:
            late = await asyncio.to_thread(proxies.wait_until_enforced, keys, taken)
            if late:
                raise InputError(f"connections of before the change are still open at {', '.join(late)}")

        hook = pulumi.ResourceHook(f"in-force-{'-'.join(keys[-1])}", wait)
        return pulumi.ResourceHookBinding(after_create=[hook], after_update=[hook])

    return of
