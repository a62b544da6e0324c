"""The config entries of a mesh in a cluster: as Consul holds them, and as a posture's own look there."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from posture.errors import InputError
from posture.model.entries import OTHER_KINDS, Entry, Kind
from posture.model.manifests import custom_resources, gateway_api

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from posture.cluster.connection import Connection
    from posture.model.manifests.placement import Placement

__all__ = ["HeldEntries", "as_applied", "read_entries"]

_TOKEN_SECRET = "consul-bootstrap-acl-token"  # noqa: S105 - its name; the chart's
_SERVER = "https:consul-server:8501"


class HeldEntries(NamedTuple):
    """Entries in the JSON of Consul's API; ``unread`` says why these may not be all."""

    entries: list[dict[str, Any]]
    unread: str | None = None


def as_applied(entries: Iterable[Entry], certificate: str) -> tuple[Entry, ...]:
    """A posture's entries as consul-k8s has them in Consul: the certificate is a file of its own making, by its Secret.

    That is none of the posture's, and left out. ``certificate`` is the Secret's name. A listener for any host has no
    hostname there.
    """
    reference = [{"Kind": Kind.FILE_SYSTEM_CERTIFICATE, "Name": certificate}]
    return tuple(_with_listeners(each, reference) for each in entries if each.kind != Kind.FILE_SYSTEM_CERTIFICATE)


def read_entries(connection: Connection, placement: Placement) -> HeldEntries:
    """What Consul holds, where its token may be read; else what the custom resources say that it should hold."""
    consul = placement.consul_namespace
    try:
        secret = connection.get(f"/api/v1/namespaces/{consul}/secrets/{_TOKEN_SECRET}")
        if secret is None:
            return _read_back(connection, placement, f"there is no Secret {consul}/{_TOKEN_SECRET}")
        token = base64.b64decode(secret["data"]["token"]).decode()
        root = f"/api/v1/namespaces/{consul}/services/{_SERVER}/proxy/v1/config"
        held = [
            _plain(each)
            for kind in (*Kind, *OTHER_KINDS)
            for each in connection.proxied(f"{root}/{kind}", {"X-Consul-Token": token})
        ]
        return HeldEntries([each for each in held if each is not None])
    except InputError as error:
        return _read_back(connection, placement, str(error))


def _read_back(connection: Connection, placement: Placement, why: str) -> HeldEntries:
    found = [
        *_custom_resources(connection),
        *_gateway_objects(connection, placement),
    ]
    entries = [{"Kind": each.kind, "Name": each.name, **each.body} for each in found]
    return HeldEntries(entries, f"the custom resources were read, not Consul itself, which may hold more: {why}")


def _custom_resources(connection: Connection) -> Iterator[Entry]:
    for kind in custom_resources.KINDS.values():
        resource = connection.resource(custom_resources.API_VERSION, kind)
        for each in (connection.get(resource.path()) or {}).get("items", ()) if resource else ():
            yield custom_resources.read_custom_resource({"kind": kind, **each})


def _gateway_objects(connection: Connection, placement: Placement) -> Iterator[Entry]:
    for kind in gateway_api.KINDS:
        resource = connection.resource(f"{gateway_api.GROUP}/{placement.gateway_api}", kind)
        for each in (connection.get(resource.path(placement.namespace)) or {}).get("items", ()) if resource else ():
            yield gateway_api.read_gateway_object({"kind": kind, **each})


def _with_listeners(entry: Entry, reference: list[dict[str, str]]) -> Entry:
    if entry.kind != Kind.API_GATEWAY:
        return entry
    listeners = [
        {
            **{key: value for key, value in each.items() if (key, value) != ("Hostname", gateway_api.ANY_HOST)},
            "TLS": {**each["TLS"], "Certificates": reference},
        }
        for each in entry.body["Listeners"]
    ]
    return replace(entry, body={**entry.body, "Listeners": listeners})


def _plain(entry: dict[str, Any]) -> dict[str, Any] | None:
    """An entry without what consul-k8s adds to each: where it comes from, and a weight of 1; None for its files."""
    meta = entry.get("Meta") or {}
    if "k8s-name" not in meta and meta.get("external-source") != "kubernetes":
        return entry
    if entry["Kind"] == Kind.FILE_SYSTEM_CERTIFICATE:
        return None
    rules = [
        {**rule, "Services": [{k: v for k, v in each.items() if (k, v) != ("Weight", 1)} for each in rule["Services"]]}
        for rule in entry.get("Rules") or ()
    ]
    return {**{key: value for key, value in entry.items() if key != "Meta"}, **({"Rules": rules} if rules else {})}
