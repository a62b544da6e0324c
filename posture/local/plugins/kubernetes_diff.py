"""The difference between an object as it is and as a program wants it, and which differences need a new object.

The paths, their kinds and the fields that can't be changed in place are the official plugin's (pulumi-kubernetes
4.32.0, provider.go `convertPatchToDiff`, diff.go `forceNew`), for the kinds that this stand-in takes.
"""

from __future__ import annotations

import re
from typing import Any

from kubernetes.utils.quantity import parse_quantity
from pulumi.provider.experimental.provider import PropertyDiffKind as Kind

from posture.local.plugins.kubernetes_object import built_in
from posture.local.plugins.property_values import is_unknown

__all__ = ["differences", "needs_replacement"]

_Path = tuple[str | int, ...]
_METADATA = (("metadata", "name"), ("metadata", "namespace"))
_FORCE_NEW: dict[tuple[str, str], tuple[tuple[str, ...], ...]] = {
    ("apps/v1", "Deployment"): (("spec", "selector"),),
    ("helm.sh/v3", "Release"): (("name",), ("namespace",)),  # no object, but compared as if it were
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"): (("roleRef",),),
    ("rbac.authorization.k8s.io/v1", "RoleBinding"): (("roleRef",),),
    ("storage.k8s.io/v1", "StorageClass"): (("parameters",), ("provisioner",)),
    ("v1", "ConfigMap"): (("binaryData",), ("data",)),
    ("v1", "Secret"): (("type",), ("stringData",), ("data",)),
    ("v1", "Service"): (("spec", "clusterIP"),),
}
_QUANTITIES = frozenset({"capacity", "hard", "limits", "requests"})
_REPLACING = {
    Kind.ADD: Kind.ADD_REPLACE,
    Kind.DELETE: Kind.DELETE_REPLACE,
    Kind.UPDATE: Kind.UPDATE_REPLACE,
}


def differences(old: dict[str, Any], new: dict[str, Any], *, mutable: frozenset[str] = frozenset()) -> dict[str, Kind]:
    """Compare two objects.

    Args:
        old: The object as it is, cut to the shape of the inputs that made it.
        new: The inputs; what is not known yet differs from anything.
        mutable: Of `ConfigMap` and `Secret`, the kinds whose content the provider is set to change in place.

    Returns:
        By path, such as `spec.ports[0].port`, what happens there.
    """
    kind = str(new.get("kind"))
    changed_in_place = kind in mutable and not new.get("immutable")
    fixed = _METADATA + (() if changed_in_place else _FORCE_NEW.get((str(new.get("apiVersion")), kind), ()))
    if changed_in_place and kind == "Secret":
        fixed += (("type",),)
    found: dict[_Path, tuple[Kind, Any]] = {}
    _compare((), old, new, built_in(str(new.get("apiVersion", ""))), found)
    return {
        _text(path): _REPLACING[how] if any(_touches(path, value, fields) for fields in fixed) else how
        for path, (how, value) in found.items()
    }


def needs_replacement(how: Kind) -> bool:
    """Tell whether a difference can't be made in place."""
    return how in _REPLACING.values()


def _compare(path: _Path, old: Any, new: Any, quantities: bool, found: dict[_Path, tuple[Kind, Any]]) -> None:  # noqa: ANN401, FBT001 - JSON of any kind
    if isinstance(old, dict) and isinstance(new, dict):
        for key, value in new.items():
            if key in old:
                _compare((*path, key), old[key], value, quantities, found)
            else:
                found[*path, key] = (Kind.ADD, value)
        found |= {(*path, key): (Kind.DELETE, value) for key, value in old.items() if key not in new}
    elif isinstance(old, list) and isinstance(new, list):
        for index, (before, after) in enumerate(zip(old, new, strict=False)):
            _compare((*path, index), before, after, quantities, found)
        found |= {(*path, index): (Kind.ADD, new[index]) for index in range(len(old), len(new))}
        found |= {(*path, index): (Kind.DELETE, old[index]) for index in range(len(new), len(old))}
    elif is_unknown(new) or not (_same(old, new) or (quantities and _same_quantity(path, old, new))):
        found[path] = (Kind.UPDATE, new)


def _same(old: object, new: object) -> bool:
    return old == new and isinstance(old, bool) == isinstance(new, bool)


def _same_quantity(path: _Path, old: object, new: object) -> bool:
    """Tell whether `1000m` stands where the API server has `1`."""
    if not _QUANTITIES & {path[-1], *path[-2:-1]} and path[-1] != "sizeLimit":
        return False
    try:
        return bool(parse_quantity(old) == parse_quantity(new))  # type: ignore[no-untyped-call]  # it has no types
    except ValueError:
        return False


def _touches(path: _Path, value: Any, fields: tuple[str, ...]) -> bool:  # noqa: ANN401 - JSON of any kind
    """Tell whether a difference is at, under or above a field; above, if the value has the field."""
    if path[: len(fields)] == fields:
        return True
    if fields[: len(path)] != path:
        return False
    for field in fields[len(path) :]:
        if not isinstance(value, dict) or field not in value:
            return False
        value = value[field]
    return True


def _text(path: _Path) -> str:
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif re.search(r'[."\[\]]', part):
            text += '["' + part.replace('"', '\\"') + '"]'
        else:
            text += f".{part}" if text else part
    return text
