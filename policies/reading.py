"""How a resource of a Pulumi program, a Kubernetes object or a config entry becomes what rules see.

A `ConfigEntry` and the custom resource that consul-k8s makes into the same entry are the same resource to the rules.
"""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING, Any

from policies.helm import is_consul
from policies.inputs import NotKnownError, bare, known, logged, plain_texts
from policies.shapes import misfit, other_identity
from policies.view import Certificate, ForeignEntry, Release, Resource, Unreadable
from policies.workloads import KINDS as WORKLOADS
from policies.workloads import read_workload
from posture.model.entry import Entry, Kind
from posture.model.manifests import custom_resources, gateway_api

if TYPE_CHECKING:
    from policies.view import View

__all__ = ["of_config_entry", "of_kubernetes", "of_log", "of_pulumi"]

_CONSUL_GROUP, _GATEWAY_GROUP = custom_resources.API_VERSION.partition("/")[0], gateway_api.GROUP
_RELEASES = {"kubernetes:helm.sh/v3:Release", "kubernetes:helm.sh/v3:Chart", "kubernetes:helm.sh/v4:Chart"}
_CERTIFICATE = "inline-certificate"
_TYPED = re.compile(r"consul:(index/\w+:)?(Intention|ConfigEntry\w+)")
"""Types of pulumi-consul 3.15.2 that write config entries in other words."""
_WORDS = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
"""Where one word of a kind ends, as in `JWTProvider`."""


def of_pulumi(kind: str, name: str, inputs: dict[str, Any]) -> Resource:
    """A resource by its type, its name in the program, and its inputs; unknown values and secrets may be among them.

    ``kind`` may leave out the module that the engine puts in, as in `consul:ConfigEntry`.
    """
    if kind in {"consul:ConfigEntry", "consul:index/configEntry:ConfigEntry"}:
        return _config_entry(name, inputs)
    if kind in _RELEASES:
        return _release(name, inputs)
    if kind.startswith("kubernetes:"):
        group, _, word = kind.removeprefix("kubernetes:").rpartition(":")
        version = group.removeprefix("core/")
        return of_kubernetes({"apiVersion": version, "kind": word, **inputs}, name)
    unread = Unreadable("no rule reads this type; use ConfigEntry") if _TYPED.fullmatch(kind) else None
    return Resource(f"{kind}/{name}", unread, tuple(plain_texts(inputs)))


def of_log(kind: str, name: str, inputs: dict[str, Any]) -> Resource:
    """The same, by inputs as the engine's log of events has them."""
    return of_pulumi(kind, name, logged(inputs))


def of_config_entry(kind: str, name: str, body: dict[str, Any]) -> Resource:
    """A config entry in the words of Consul's API, without its kind and name."""
    return Resource(f"{kind}/{name}", _entry(kind, name, body), tuple(plain_texts(body)))


def of_kubernetes(manifest: dict[str, Any], name: str = "") -> Resource:
    """An object of Kubernetes, whichever; ``name`` is the program's name for it, for when its own isn't known yet."""
    plain = tuple(plain_texts(manifest))
    try:
        group = str(known(manifest, "apiVersion")).partition("/")[0]
        kind = str(known(manifest, "kind"))
        own = known(manifest, "metadata", "name") or name
        where = known(manifest, "metadata", "namespace")
    except NotKnownError as error:
        return Resource(name, Unreadable(str(error)), plain)
    address = "/".join(str(part) for part in (kind, where, own) if part)
    try:
        metadata = bare(manifest.get("metadata"), ("metadata",))
        metadata = {**(metadata if isinstance(metadata, dict) else {}), "name": own}
        view = _object(group, kind, {**manifest, "metadata": metadata})
    except NotKnownError as error:
        view = Unreadable(str(error))
    if isinstance(view, Entry | ForeignEntry):
        address = f"{view.kind}/{view.name}"
    return Resource(address, view, plain)


def _config_entry(name: str, inputs: dict[str, Any]) -> Resource:
    plain = tuple(plain_texts(inputs))
    try:
        kind, own = known(inputs, "kind"), known(inputs, "name")
    except NotKnownError as error:
        return Resource(name, Unreadable(str(error)), plain)
    address = f"{kind}/{own}"
    try:
        body = json.loads(known(inputs, "configJson") or "{}")
    except NotKnownError as error:
        return Resource(address, Unreadable(str(error)), plain)
    except (TypeError, ValueError, RecursionError):
        return Resource(address, Unreadable("configJson is no JSON"), plain)
    return Resource(address, _entry(str(kind), str(own), body), plain)


def _entry(kind: str, name: str, body: Any) -> View:  # noqa: ANN401 - any JSON
    wrong = misfit(kind, body) or other_identity(kind, name, body)
    if wrong:
        return Unreadable(wrong)
    if kind == _CERTIFICATE:
        return Certificate(str(body.get("Certificate")))
    return Entry(Kind(kind), name, body) if kind in set(Kind) else ForeignEntry(kind, name, body)


def _object(group: str, kind: str, manifest: dict[str, Any]) -> View | None:
    if group == _CONSUL_GROUP or (group == _GATEWAY_GROUP and kind in gateway_api.KINDS):
        return _custom_resource(kind, manifest)
    if group == _GATEWAY_GROUP and kind == "TCPRoute":
        return ForeignEntry("tcp-route", str(manifest["metadata"]["name"]), known(manifest, "spec") or {})
    if kind in WORKLOADS:
        return read_workload(kind, manifest)
    if group == "v1" and kind == "Secret":
        return _secret(manifest)
    return None


def _custom_resource(kind: str, manifest: dict[str, Any]) -> View:
    """A custom resource of Consul or the Gateway API."""
    whole = {"kind": kind, "metadata": manifest["metadata"], "spec": known(manifest, "spec")}
    found: Entry | ForeignEntry
    try:
        if kind in custom_resources.KINDS.values():
            found = custom_resources.read_custom_resource(whole)
        elif kind in gateway_api.KINDS:
            found = gateway_api.read_gateway_object(whole)
        else:
            fields = custom_resources.read_fields(whole["spec"] or {})
            if not isinstance(fields, dict):
                return Unreadable("its spec is no map")
            found = ForeignEntry(_WORDS.sub("-", kind).lower(), whole["metadata"]["name"], fields)
    except (AttributeError, KeyError, TypeError, ValueError):
        return Unreadable(f"its spec is none of a {kind}")
    wrong = misfit(found.kind, found.body) if isinstance(found.name, str) else "its name is no text"
    return Unreadable(wrong) if wrong else found


def _secret(manifest: dict[str, Any]) -> View | None:
    if known(manifest, "type") != "kubernetes.io/tls":
        return None
    data, text = known(manifest, "data", "tls.crt"), known(manifest, "stringData", "tls.crt")
    if text is None and isinstance(data, str):
        try:
            text = base64.b64decode(data, validate=True).decode()
        except ValueError:
            return Unreadable("tls.crt is no Base64")
    return Certificate(text) if isinstance(text, str) else Unreadable("has no tls.crt")


def _release(name: str, inputs: dict[str, Any]) -> Resource:
    plain = tuple(plain_texts(inputs))
    try:
        chart, version, values = (known(inputs, key) for key in ("chart", "version", "values"))
    except NotKnownError as error:
        return Resource(f"Release/{name}", Unreadable(str(error)), plain)
    if not isinstance(values or {}, dict):
        return Resource(f"Release/{name}", Unreadable("its values are no map"), plain)
    release = Release(str(chart), str(version or ""), values or {})
    if inputs.get("valueYamlFiles") and is_consul(release):
        # pulumi-kubernetes merges them with `values`
        return Resource(f"Release/{name}", Unreadable("its values are in files; write them in values"), plain)
    return Resource(f"Release/{name}", release, plain)
