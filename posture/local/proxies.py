"""Whether the proxies of a mesh enforce what Consul was told: all that have to hear of it have, and nothing drains."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from posture.local.instances import instances
from posture.model.entries import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from posture.local.layout import Layout
    from posture.model.application import Application
    from posture.model.order import Key

__all__ = ["Proxies"]

_HEARING, _DRAINING = 2.0, 10.0
_GATHERING = 0.5
"""Consul gathers the changes of 0.2 s before it tells a proxy, so the last write may come after an update."""
_POLL = 0.05


class Proxies:
    """The Envoys of a stack.

    Args:
        layout: The stack's places.
        application: What runs in it.
    """

    def __init__(self, layout: Layout, application: Application) -> None:
        self._layout = layout
        self._application = application

    def updates(self) -> dict[str, int]:
        """How many configurations of listeners each has taken so far, by name; those that don't answer are left out."""
        from posture.local.envoy import updates  # noqa: PLC0415 - loads a client that few switches need

        found = {each.name: updates(self._layout, each.name) for each in instances(self._application, self._layout)}
        return {name: count for name, count in found.items() if count is not None}

    def wait_until_enforced(self, entries: Iterable[Key], taken: Mapping[str, int]) -> list[str]:
        """Return when these entries, which have just been written, decide all requests; the names of who is late.

        Args:
            entries: Their kinds and names.
            taken: What `updates` was before they were written.
        """
        from posture.local.envoy import is_draining  # noqa: PLC0415 - as above

        begun = time.monotonic()
        waiting = {name for name in self._concerned(entries) if name in taken}
        while waiting and time.monotonic() < begun + _HEARING:  # some changes concern no listener
            now = self.updates()
            waiting = {name for name in waiting if now.get(name, taken[name]) == taken[name]}
            time.sleep(_POLL)
        time.sleep(max(0.0, begun + _GATHERING - time.monotonic()))
        left = sorted(taken)
        while left := [name for name in left if is_draining(self._layout, name)]:
            if time.monotonic() > begun + _DRAINING:
                return left
            time.sleep(_POLL)
        return []

    def _concerned(self, entries: Iterable[Key]) -> set[str]:
        """The instances whose proxies hear of a change of these entries."""
        keys = list(entries)
        of_all = any(name == "*" or kind in {Kind.MESH, Kind.PROXY_DEFAULTS} for kind, name in keys)
        named = {name for _, name in keys}
        members = instances(self._application, self._layout)
        return {each.name for each in members if of_all or each.service in named}
