"""What an intention entry allows, rule by rule; what that means for a request is `posture.model.access`'s to say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from posture.model.entry import Entry, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from policies.rule import Place

__all__ = ["Allow", "allows", "peer_of", "permissions", "sources"]


class Allow(NamedTuple):
    """A rule that lets a source in; ``http`` is what a permission asks of a request, None where nothing is asked.

    ``peer`` is the cluster peer or sameness group of which the source is, empty where it is one of this mesh: Consul
    compiles it to an identity of the peer's own trust domain (agent/xds/rbac.go of 1.22.7).
    """

    source: str
    peer: str
    http: Mapping[str, Any] | None
    place: Place


def sources(entry: Entry) -> Iterator[tuple[Place, Mapping[str, Any]]]:
    """The sources of an intention entry, of which other entries have none."""
    if entry.kind == Kind.SERVICE_INTENTIONS:
        for i, source in enumerate(entry.body.get("Sources") or ()):
            yield ("Sources", i), source


def peer_of(source: Mapping[str, Any]) -> str:
    """The peer or sameness group of which a source is; empty for one of this mesh."""
    return source.get("Peer") or source.get("SamenessGroup") or ""


def permissions(entry: Entry) -> Iterator[tuple[Place, Mapping[str, Any]]]:
    """The permissions of all sources of an intention entry."""
    for place, source in sources(entry):
        for i, permission in enumerate(source.get("Permissions") or ()):
            yield (*place, "Permissions", i), permission


def allows(entry: Entry) -> Iterator[Allow]:
    """The rules of an intention entry that allow anything."""
    for place, source in sources(entry):
        name, peer = source["Name"], peer_of(source)
        if source.get("Action") == "allow":
            yield Allow(name, peer, None, place)
        for i, permission in enumerate(source.get("Permissions") or ()):
            if permission.get("Action") == "allow":
                yield Allow(name, peer, permission.get("HTTP") or {}, (*place, "Permissions", i))
