"""What the values of Consul's chart come to, where that takes more than one of them."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from policies.view import Release

__all__ = ["default_policy", "is_consul", "server_config", "version_of"]

_CONSUL = re.compile(r"(?:.*/)?consul(?:(?:-(v?\d[\w.+-]*))?\.tgz(?:\?.*)?)?/*", re.DOTALL)


def is_consul(release: Release) -> bool:
    """Whether it is Consul's chart: by whatever repository, from a folder, or as an archive, which Helm takes, too."""
    return _CONSUL.fullmatch(release.chart) is not None


def version_of(release: Release) -> str:
    """The chart's version, which the name of an archive says whatever else is asked for; empty where it is open."""
    found = _CONSUL.fullmatch(release.chart)
    return (found and found[1]) or release.version


def server_config(release: Release) -> dict[str, Any]:
    """The servers' own configuration, which the chart takes as a text of JSON.

    Raises:
        ValueError: It is none.
    """
    text = release.value("server", "extraConfig") or "{}"
    try:
        found = json.loads(text) if isinstance(text, str) else text
    except RecursionError:
        raise ValueError("too deep") from None
    if not isinstance(found, dict):
        raise ValueError("not a map")  # noqa: TRY004 - as json.loads has it for what is no JSON
    return found


def default_policy(release: Release) -> str:
    """What becomes of a request that no intention matches: "allow" or "deny".

    `default_intention_policy` decides, else the ACLs' default, which the chart makes "deny" where it manages ACLs
    (templates/server-config-configmap.yaml); without ACLs Consul allows (`agent/config/builder.go`).

    Raises:
        ValueError: The servers' configuration is no JSON.
    """
    config = server_config(release)
    acl = config.get("acl") if isinstance(config.get("acl"), dict) else {}
    managed = "deny" if release.value("global", "acls", "manageSystemACLs") is True else "allow"
    return str(config.get("default_intention_policy") or (acl or {}).get("default_policy") or managed)
