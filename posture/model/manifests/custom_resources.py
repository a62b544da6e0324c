"""Config entries as custom resources of consul-k8s (`consul.hashicorp.com/v1alpha1`), and back.

The fields are the same in both, PascalCase in Consul's API and camelCase here. What Consul fills in by itself is no
field of a custom resource: it is left out on the way there and put back on the way here, so nothing is lost. On
Community Edition all custom resources of one kind share one namespace of Consul, so a name is taken only once.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import durationpy

from posture.model.entry import FILLED_IN, Entry, Kind, precedence

if TYPE_CHECKING:
    from collections.abc import Callable

    from posture.model.manifests.placement import Manifest, Placement

__all__ = ["API_VERSION", "KINDS", "read_custom_resource", "read_fields", "render_custom_resource"]

API_VERSION = "consul.hashicorp.com/v1alpha1"
KINDS = {
    Kind.PROXY_DEFAULTS: "ProxyDefaults",
    Kind.MESH: "Mesh",
    Kind.SERVICE_DEFAULTS: "ServiceDefaults",
    Kind.SERVICE_INTENTIONS: "ServiceIntentions",
}
_OF_THE_WHOLE_MESH = {Kind.PROXY_DEFAULTS, Kind.MESH}
_ANY_DESTINATION = "any-destination"
"""The object's name of the intentions for `*`, which can't be one in Kubernetes."""

_FREE_MAPS = frozenset({"Arguments", "Config"})
"""Fields whose content is somebody else's: an Envoy extension's, or a proxy's."""

_DURATIONS = frozenset({"BaseEjectionTime", "Interval"})
"""Fields that are nanoseconds in Consul's API, and a text such as `10s` here."""

_ABBREVIATIONS = re.compile(r"(http|tls|jwt)(?![a-z])")
_FILLED_IN_EXTENSION = {"ConsulVersion": "", "EnvoyVersion": ""}


def render_custom_resource(entry: Entry, placement: Placement) -> Manifest:
    """The custom resource for an entry.

    Raises:
        KeyError: An entry of a kind that has none; see `gateway_api`.
    """
    spec = _renamed(_without_filled_in(entry), _camel, _duration_text)
    whole_mesh = entry.kind in _OF_THE_WHOLE_MESH or entry.name == "*"
    name = _ANY_DESTINATION if entry.name == "*" else entry.name
    if entry.kind is Kind.SERVICE_INTENTIONS:
        spec = {"destination": {"name": entry.name}, **spec}
    return {
        "apiVersion": API_VERSION,
        "kind": KINDS[entry.kind],
        "metadata": placement.metadata(name, placement.consul_namespace if whole_mesh else None),
        "spec": spec,
    }


def read_custom_resource(manifest: Manifest) -> Entry:
    """The entry that a custom resource becomes in Consul.

    Raises:
        KeyError: An object of another kind.
    """
    kind = {name: kind for kind, name in KINDS.items()}[manifest["kind"]]
    body = {**FILLED_IN.get(kind, {}), **read_fields(manifest.get("spec") or {})}
    name = manifest["metadata"]["name"]
    if kind is Kind.SERVICE_INTENTIONS:
        name = (body.pop("Destination", None) or {}).get("Name", "")
        for source in body.get("Sources") or []:
            source.update({"Type": "consul", "Precedence": precedence(source.get("Name", ""), name)})
    for extension in body.get("EnvoyExtensions") or []:
        extension.update(_FILLED_IN_EXTENSION)
    return Entry(kind, name, body)


def read_fields(spec: Any) -> Any:  # noqa: ANN401 - JSON
    """A custom resource's fields under their names in Consul's API, whichever kind it is."""
    return _renamed(spec, _pascal, _nanoseconds)


def _without_filled_in(entry: Entry) -> dict[str, Any]:
    lists = {"Sources": {"Type", "Precedence"}, "EnvoyExtensions": _FILLED_IN_EXTENSION.keys()}
    empty = FILLED_IN.get(entry.kind, {})
    return {
        key: [{k: v for k, v in item.items() if k not in lists[key]} for item in value] if key in lists else value
        for key, value in entry.body.items()
        if not (key in empty and value == empty[key])
    }


def _renamed(value: Any, rename: Callable[[str], str], duration: Callable[[Any], Any]) -> Any:  # noqa: ANN401 - JSON
    """A value with its keys renamed and its durations converted, all the way down."""
    if isinstance(value, list):
        return [_renamed(item, rename, duration) for item in value]
    if not isinstance(value, dict):
        return value
    renamed = {}
    for key, content in value.items():
        name = rename(key)
        if {key, name} & _FREE_MAPS:
            renamed[name] = content
        elif {key, name} & _DURATIONS and not isinstance(content, dict | list):
            renamed[name] = duration(content)
        else:
            renamed[name] = _renamed(content, rename, duration)
    return renamed


def _duration_text(nanoseconds: Any) -> Any:  # noqa: ANN401 - whatever a file has there
    if type(nanoseconds) is not int:
        return nanoseconds
    text = durationpy.to_str(timedelta(microseconds=nanoseconds // 1000))
    return text if _nanoseconds(text) == nanoseconds else f"{nanoseconds}ns"


def _nanoseconds(text: Any) -> Any:  # noqa: ANN401 - whatever a file has there
    try:
        return durationpy.from_str(text) // timedelta(microseconds=1) * 1000
    except (TypeError, ValueError, AttributeError):
        return text  # Consul will say what is wrong with it


def _camel(key: str) -> str:
    """`TLSMinVersion` becomes `tlsMinVersion`."""
    return re.sub(r"^[A-Z]+(?=[A-Z][a-z]|$)|^[A-Z]", lambda found: found[0].lower(), key)


def _pascal(key: str) -> str:
    """`tlsMinVersion` becomes `TLSMinVersion`."""
    found = _ABBREVIATIONS.match(key)
    return found[0].upper() + key[found.end() :] if found else key[:1].upper() + key[1:]
