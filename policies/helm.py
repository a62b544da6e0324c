"""What the values of Consul's chart come to, where that takes more than one of them."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from policies.rule import Place
    from policies.view import Release

__all__ = [
    "EXTRA_CONFIG",
    "acl_config",
    "default_policy",
    "if_readable",
    "is_consul",
    "loads_more",
    "named",
    "server_config",
    "tls_config",
    "version_of",
]

_CONSUL = re.compile(
    r"(?:.*/)?consul"
    r"(?:(?:-(?P<archive>v?\d[\w.+-]*))?\.tgz(?:\?.*)?|(?::(?P<tag>[\w.-]+))?(?:@(?P<digest>\w+:\w+))?)(?:/\.?)*",
    re.DOTALL,
)

EXTRA_CONFIG = ("values", "server", "extraConfig")
"""Where a release has the servers' own configuration."""


def is_consul(release: Release) -> bool:
    """Whether it is Consul's chart: by whatever repository or registry, from a folder, or as an archive."""
    return _CONSUL.fullmatch(release.chart) is not None


def version_of(release: Release) -> str:
    """The chart's version, or its digest; empty where it is open.

    The name of an archive and a registry's digest or tag say which it is, whatever else is asked for.
    """
    found = _CONSUL.fullmatch(release.chart)
    return (found and (found["digest"] or found["tag"] or found["archive"])) or release.version


def named(release: Release, name: str) -> Iterator[tuple[Place, Any]]:
    """All values of a name in Consul's chart, wherever they are, each with its place in the release's inputs."""

    def within(value: Any, place: Place) -> Iterator[tuple[Place, Any]]:  # noqa: ANN401 - any YAML
        each = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for key, inner in each:
            if key == name:
                yield (*place, key), inner
            yield from within(inner, (*place, key))

    return within(release.values if is_consul(release) else {}, ("values",))


def server_config(release: Release) -> dict[str, Any]:
    """The servers' own configuration, which the chart takes as a text of JSON; its keys are in lower case here.

    Raises:
        ValueError: It is none.
    """
    text = release.value("server", "extraConfig") or "{}"
    try:
        found = json.loads(text) if isinstance(text, str) else text
    except RecursionError:
        raise ValueError("too deep") from None
    return _block(found)


def acl_config(release: Release) -> dict[str, Any]:
    """What the servers' own configuration says about ACLs; it goes over what the chart writes, being read last.

    `acl_default_policy` is the field's former name (`agent/config/deprecated.go` of Consul 1.22.7).

    Raises:
        ValueError: The servers' configuration is no JSON, or this part of it no map.
    """
    config = server_config(release)
    acl = _block(config.get("acl"))
    if acl.get("default_policy") is None:
        acl["default_policy"] = config.get("acl_default_policy")
    return acl


def tls_config(release: Release) -> dict[str, Any]:
    """What the servers' own configuration says about TLS and ports, by dotted name; it goes over what the chart writes.

    What Consul calls `verify_incoming_rpc` and the like, without `tls`, are former names of the same
    (`agent/config/deprecated.go` of Consul 1.22.7).

    Raises:
        ValueError: The servers' configuration is no JSON, or one of these parts of it no map.
    """
    config = server_config(release)
    blocks = {f"tls.{name}.": _block(block) for name, block in _block(config.get("tls")).items()}
    blocks |= {"ports.": _block(config.get("ports")), "": config}
    return {f"{place}{name}": value for place, block in blocks.items() for name, value in block.items()}


def if_readable(part: Callable[[Release], dict[str, Any]], release: Release) -> dict[str, Any]:
    """One of the parts above, and nothing where it can't be read, which is for one rule alone to say (CP103)."""
    try:
        return part(release)
    except ValueError:
        return {}


def loads_more(release: Release) -> bool:
    """Whether the servers read configuration that isn't in the values.

    `server.extraVolumes` with `load` become a -config-dir (templates/server-statefulset.yaml of 2.0.3).
    """
    volumes = release.value("server", "extraVolumes")
    each = volumes.values() if isinstance(volumes, dict) else volumes if isinstance(volumes, list) else ()
    return any(isinstance(volume, dict) and volume.get("load") for volume in each)


def default_policy(release: Release) -> str:
    """What becomes of a request that no intention matches: "allow" or "deny".

    `default_intention_policy` decides, else the ACLs' default, which the chart makes "deny" where it manages ACLs
    (templates/server-config-configmap.yaml); without ACLs Consul allows (`agent/config/builder.go`).

    Raises:
        ValueError: The servers' configuration is no JSON.
    """
    managed = "deny" if release.value("global", "acls", "manageSystemACLs") is True else "allow"
    acls = acl_config(release).get("default_policy")
    return str(server_config(release).get("default_intention_policy") or acls or managed)


def _block(value: object) -> dict[str, Any]:
    """A block of an agent's configuration as Consul reads it: its keys in any case, and a list of one block as that.

    The former is mapstructure's way, the latter HookWeakDecodeFromSlice's (`lib/decode/decode.go` of Consul 1.22.7).
    """
    found = value[0] if isinstance(value, list) and len(value) == 1 else value
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise ValueError("not a map")  # noqa: TRY004 - as json.loads has it for what is no JSON
    lower = {str(key).lower(): each for key, each in found.items()}
    if len(lower) < len(found):
        raise ValueError("a key stands there in two spellings")
    return lower
