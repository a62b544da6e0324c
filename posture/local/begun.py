"""The entries that an `up` is about to make, noted until an engine has recorded them: a killed one records nothing."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from posture.local.private import write_private
from posture.model.entries import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from posture.local.consul import Consul

__all__ = ["Begun", "delete_entries"]


@dataclass(frozen=True)
class Begun:
    """Names of entries, each `KIND/NAME`, of all `up`s since the last one that came to its end.

    Args:
        file: Where they are kept.
    """

    file: Path

    @property
    def unfinished(self) -> bool:
        """Whether an `up` has not come to its end."""
        return self.file.exists()

    def names(self) -> frozenset[str]:
        """All that are noted; what is damaged says nothing."""
        try:
            found = json.loads(self.file.read_text())
        except (OSError, ValueError, RecursionError):
            return frozenset()
        return frozenset(filter(_is_ours, found)) if isinstance(found, list) else frozenset()

    def add(self, names: Iterable[str]) -> None:
        """Note these as well."""
        write_private(self.file, json.dumps(sorted({*self.names(), *names})))

    def end(self) -> None:
        """Forget all: they are recorded, or gone."""
        self.file.unlink(missing_ok=True)


def _is_ours(name: object) -> bool:
    return isinstance(name, str) and name.partition("/")[0] in set(Kind)


def delete_entries(consul: Consul, names: Iterable[str]) -> None:
    """Delete entries, rules before the protocols that they rely on.

    Raises:
        MeshError: Consul refused; in its words.
    """
    kinds = list(Kind)
    for name in sorted(names, key=lambda name: kinds.index(Kind(name.partition("/")[0])), reverse=True):
        consul.call("DELETE", f"/config/{name}")
