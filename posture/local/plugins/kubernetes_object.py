"""A Kubernetes object as the official plugin keeps it in Pulumi's state, and as it compares it.

The state of a resource is the object as the API server has it, with the inputs that made it under `__inputs`, so a
stack can be taken over by the official plugin and back (pulumi-kubernetes 4.32.0, provider.go, `checkpointObject`).
Compared are the inputs and the server's object cut to the inputs' shape: what a server, a webhook or a controller
adds is not a difference.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any, NamedTuple

from pulumi.provider.experimental.property_value import PropertyValue

from posture.local.plugins.property_values import has_unknown, plain, properties_like

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Checkpoint", "annotation", "built_in", "checkpoint", "inputs_of", "name_of", "normal", "pruned", "restore"]

_INPUTS, _API_VERSION, _MANAGER = "__inputs", "__initialApiVersion", "__fieldManager"
_READ_ONLY = (
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "uid",
)
_BUILT_IN_GROUPS = frozenset(
    {
        "admissionregistration.k8s.io",
        "networking.k8s.io",
        "rbac.authorization.k8s.io",
        "scheduling.k8s.io",
        "storage.k8s.io",
    }
)
# Booleans that the API's types leave out when they are false, and maps when they are empty (k8s.io/api v0.36).
_FALSE_IS_ABSENT = frozenset({"hostIPC", "hostNetwork", "hostPID", "paused", "publishNotReadyAddresses", "readOnly"})
_EMPTY_IS_ABSENT = frozenset({"annotations", "data", "labels", "limits", "matchLabels", "nodeSelector", "requests"})


class Checkpoint(NamedTuple):
    """What a state holds.

    Attributes:
        inputs: What the program asked for, as it was sent to the API server.
        live: The object as the API server answered.
        manager: The name under which we own fields.
    """

    inputs: dict[str, Any]
    live: dict[str, Any]
    manager: str


def restore(state: Mapping[str, PropertyValue]) -> Checkpoint:
    """Take a state apart."""
    values = plain(state)
    inputs = values.pop(_INPUTS, {})
    values.pop(_API_VERSION, None)
    return Checkpoint(inputs, live=values, manager=values.pop(_MANAGER, ""))


def checkpoint(point: Checkpoint, source: Mapping[str, PropertyValue]) -> dict[str, PropertyValue]:
    """Put a state together; what is secret in `source`, the inputs, is secret in it."""
    state = properties_like(point.live, source)
    state[_INPUTS] = PropertyValue(properties_like(point.inputs, source))
    state[_API_VERSION] = PropertyValue(str(point.inputs.get("apiVersion", "")))
    state[_MANAGER] = PropertyValue(point.manager)
    return state


def normal(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return inputs in the form in which the API server will answer: no field that it drops or moves."""
    made = {key: value for key, value in inputs.items() if value is not None}
    metadata = made.get("metadata")
    if isinstance(metadata, dict):
        made["metadata"] = {key: value for key, value in metadata.items() if key not in _READ_ONLY}
    if has_unknown(made):
        return made
    if built_in(str(made.get("apiVersion", ""))):
        made = {key: _normal(value) for key, value in made.items() if not _absent(key, value)}
    if made.get("apiVersion") == "v1" and made.get("kind") == "Secret":
        texts = made.pop("stringData", {})
        encoded = {key: base64.b64encode(str(text).encode()).decode() for key, text in texts.items()}
        data = {key: _same_base64(text) for key, text in made.get("data", {}).items()} | encoded
        made |= {"data": data} if data else {}
    return made


def pruned(live: Any, shape: Any) -> Any:  # noqa: ANN401 - JSON of any kind
    """Cut an object to the shape of inputs: keys that they have, and as many items of a list."""
    if isinstance(live, dict) and isinstance(shape, dict):
        return {key: pruned(value, shape[key]) for key, value in live.items() if key in shape}
    if isinstance(live, list) and isinstance(shape, list):
        return [pruned(value, item) for value, item in zip(live, shape, strict=False)]
    return live


def inputs_of(live: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a program would have to write for an object that it didn't make.

    Of a custom resource the official plugin knows no schema, so only its identity: the rest is then an update.
    """
    if not built_in(str(live["apiVersion"])):
        place = {key: value for key, value in live["metadata"].items() if key in {"name", "namespace"}}
        return {"apiVersion": live["apiVersion"], "kind": live["kind"], "metadata": place}
    inputs = normal({key: value for key, value in live.items() if key != "status"})
    annotations = inputs["metadata"].get("annotations", {})
    for key in ("deployment.kubernetes.io/revision", "kubectl.kubernetes.io/last-applied-configuration"):
        annotations.pop(key, None)
    return normal(inputs)


def annotation(values: Mapping[str, Any], key: str) -> str:
    """Return Pulumi's annotation `pulumi.com/KEY`, or an empty text."""
    metadata = values.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    return str(annotations.get(f"pulumi.com/{key}", "")) if isinstance(annotations, dict) else ""


def name_of(values: Mapping[str, Any]) -> str:
    """Return what an error calls an object: `Deployment bookinfo/details`."""
    metadata = values.get("metadata", {})
    return f"{values.get('kind')} {'/'.join(filter(None, (metadata.get('namespace'), metadata.get('name'))))}"


def built_in(api_version: str) -> bool:
    """Tell whether an API is Kubernetes' own; the others are of custom resources."""
    group = api_version.rpartition("/")[0]
    return "." not in group or group in _BUILT_IN_GROUPS


def _normal(value: Any) -> Any:  # noqa: ANN401 - JSON of any kind
    if isinstance(value, dict):
        return {key: _normal(item) for key, item in value.items() if not _absent(key, item)}
    return [_normal(item) for item in value] if isinstance(value, list) else value


def _absent(key: str, value: object) -> bool:
    return (
        value is None
        or value == []
        or (value is False and key in _FALSE_IS_ABSENT)
        or (value == {} and key in _EMPTY_IS_ABSENT)
    )


def _same_base64(text: str) -> str:
    try:
        return base64.b64encode(base64.b64decode(text, validate=False)).decode()
    except binascii.Error:
        return text  # the API server refuses it in its own words
