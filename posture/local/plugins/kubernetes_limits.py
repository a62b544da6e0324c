"""What the stand-in for the kubernetes plugin does not know, and says so: options, types, annotations.

The official plugin has rules of its own for these; to treat them like any other would be something else than it does.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pulumi.provider.experimental import provider as api

from posture.local.plugins import kubernetes_await
from posture.local.plugins.kubernetes_access import OPTIONS, flag
from posture.local.plugins.kubernetes_object import annotation, built_in
from posture.local.plugins.locate import KUBERNETES_VERSION
from posture.local.plugins.property_values import has_unknown
from posture.local.plugins.provider_server import Failure

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["known_type", "mistakes", "official_only", "refuse_ignored", "unknown_options"]

_INSTALL = f"install the official plugin: pulumi plugin install resource kubernetes {KUBERNETES_VERSION}"
_ENGINES = frozenset({"pluginDownloadURL", "version"})
_TOKEN = re.compile(r"kubernetes:(?P<group>[^:/]+)/(?P<version>[^:/]+):(?P<kind>\w+)")
# Those whose readiness it awaits, whose parts it replaces or whose update it does in ways of their own.
_OFFICIAL_KINDS = re.compile(
    r"CustomResourceDefinition|DaemonSet|Ingress|Job|PersistentVolume(Claim)?|Pod|ReplicationController|ResourceQuota"
    r"|StatefulSet|\w+(List|Patch)"
)
_OFFICIAL_ANNOTATIONS = ("patchFieldManager", "replaceUnready")


def official_only(what: str) -> Failure:
    """Return the refusal of what only the official plugin knows."""
    return Failure(f"{what} is not known to this stand-in for the kubernetes plugin; {_INSTALL}")


def unknown_options(options: Mapping[str, Any]) -> list[api.CheckFailure]:
    """Refuse a provider's inputs that we don't know."""
    unknown = sorted(options.keys() - OPTIONS - _ENGINES)
    if not has_unknown(options) and not flag(options, "enableServerSideApply", default=True):
        unknown.append("enableServerSideApply")
    return [api.CheckFailure(key, str(official_only(key))) for key in unknown]


def known_type(token: str) -> tuple[str, str]:
    """Return the API version and kind of a type, such as `v1` and `Service` of `kubernetes:core/v1:Service`."""
    own = token.rpartition("$")[2]  # a URN's type is qualified by its parents'
    match = _TOKEN.fullmatch(own)
    if match is None or own.startswith("kubernetes:helm.sh/"):
        raise official_only(own)
    api_version = match["version"] if match["group"] == "core" else f"{match['group']}/{match['version']}"
    if built_in(api_version) and _OFFICIAL_KINDS.fullmatch(match["kind"]):
        raise official_only(own)
    return api_version, match["kind"]


def mistakes(inputs: dict[str, Any]) -> list[api.CheckFailure]:
    """Say what is wrong with an object's inputs before any server is asked."""
    if has_unknown(inputs.get("metadata")):
        return []
    if not inputs.setdefault("metadata", {}).get("name"):
        return [api.CheckFailure("metadata.name", f"give the object a name; to have one made up, {_INSTALL}")]
    failures = [
        api.CheckFailure("metadata.annotations", f"pulumi.com/{key} is not known to this stand-in; {_INSTALL}")
        for key in _OFFICIAL_ANNOTATIONS
        if annotation(inputs, key)
    ]
    try:
        kubernetes_await.wait_expressions(inputs)
    except Failure as failure:
        failures.append(api.CheckFailure("metadata.annotations", str(failure)))
    return failures


def refuse_ignored(paths: list[str]) -> None:
    """Refuse `ignore_changes`, which under server-side apply needs to know who owns what."""
    if paths:
        raise official_only("ignore_changes")
