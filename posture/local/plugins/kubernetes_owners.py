"""Who owns which field of an object, by server-side apply, and how we come to own ours.

As the official plugin has it (pulumi-kubernetes 4.32.0, await/await.go `fixCSAFieldManagers`, `patchForce`): an object
is created by an ordinary request in the name `pulumi-kubernetes`, and updated by server-side apply in a name of its
own, which first takes over what was set at creation, or by kubectl. Anybody else's field is a conflict.
"""

from __future__ import annotations

import secrets
from copy import deepcopy
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["CREATOR", "made_by_us", "new_manager", "taken_over"]

CREATOR = "pulumi-kubernetes"
_OURS = (CREATOR, "pulumi-resource-kubernetes")
_PREFIXES = {"Apply": ("kubectl",), "Update": ("kubectl", "before-first-apply", *_OURS)}


def new_manager() -> str:
    """Return a name under which to own the fields of one object."""
    return f"{CREATOR}-{secrets.token_hex(4)}"


def made_by_us(live: Mapping[str, Any]) -> bool:
    """Tell whether a field is still owned by whoever created the object in our name, or by nobody."""
    entries = live["metadata"].get("managedFields", ())
    return not entries or any(
        entry["operation"] == "Update" and entry["manager"].removesuffix(".exe") in _OURS for entry in entries
    )


def taken_over(live: Mapping[str, Any], manager: str) -> list[dict[str, Any]] | None:
    """Return `managedFields` in which `manager` owns what was set at creation and by kubectl.

    Returns:
        None, if it has nothing to take over.
    """
    ours: dict[str, Any] | None = None
    others, changed = [], False
    entries = deepcopy(live["metadata"].get("managedFields", []))
    entries.sort(key=lambda entry: (entry["manager"], entry["operation"]) != (manager, "Apply"))  # ours first
    for entry in entries:
        is_ours = (entry["manager"], entry["operation"]) == (manager, "Apply")
        if not is_ours and not _matches(entry):
            others.append(entry)
            continue
        changed = changed or not is_ours
        if ours is None:
            ours = {**entry, "manager": manager, "operation": "Apply"}
        else:
            _merge(ours.setdefault("fieldsV1", {}), entry.get("fieldsV1", {}))
    return [*others, ours] if changed and ours else None


def _matches(entry: Mapping[str, Any]) -> bool:
    return not entry.get("subresource") and entry["manager"].startswith(_PREFIXES[entry["operation"]])


def _merge(fields: dict[str, Any], more: Mapping[str, Any]) -> None:
    """Add to a tree of fields (`fieldsV1`) those of another."""
    for key, inner in more.items():
        _merge(fields.setdefault(key, {}), inner)
