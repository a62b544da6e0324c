"""Entries that others change in Consul: seen by `posture preview`, mended by `posture up`."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from posture.local.envoy import admin
from posture.local.errors import MeshError
from tests.conftest import eventually
from tests.faults.fault import Fault, Struck

if TYPE_CHECKING:
    from random import Random

    from tests.faults.subject import Subject

SERVICES = ("productpage", "details", "reviews", "ratings")
OPEN = [{"Name": "*", "Type": "consul", "Action": "allow"}]


def _preview(subject: Subject) -> str:
    return subject.project.posture("preview", "--stack", subject.name).stdout


def _row(said: str, name: str) -> str:
    """What the preview says of an entry that others have changed."""
    return next(line for line in said.splitlines() if line.startswith(f"| `{name}` |"))


def entry_edited(subject: Subject, random: Random) -> Struck:
    name = random.choice(["*", *SERVICES])
    with subject.consul() as consul:
        consul.call("PUT", "/config", {"Kind": "service-intentions", "Name": name, "Sources": OPEN})
    said = _preview(subject)
    row = _row(said, f"service-intentions/{name}")
    assert "is another" in row
    if name in SERVICES:
        assert "opens " in row
        assert f"→ {name}" in row
    assert "not as recorded" in said.splitlines()[1]
    return Struck(random.choice([subject.others(random), subject.posture]))


def entry_deleted(subject: Subject, random: Random) -> Struck:
    name = _delete_one(subject, random)
    assert "is missing" in _row(_preview(subject), name)
    return Struck(random.choice([subject.others(random), subject.posture]))


def protocol_deleted(subject: Subject, random: Random) -> Struck:
    name = "service-defaults/productpage"
    with subject.consul() as consul:
        consul.call("DELETE", f"/config/{name}")
    eventually(lambda: not _has_endpoints(subject, "productpage"), "the gateway keeps a page of no protocol", 20)
    assert "is missing" in _row(_preview(subject), name)
    return Struck(random.choice([subject.others(random), subject.posture]))


def _has_endpoints(subject: Subject, service: str) -> bool:
    """Whether the gateway's Envoy has anywhere to send a request for a service."""
    found = admin(subject.stack.layout, subject.mesh.gateway.name, "/clusters")
    return found is not None and any(line.startswith(f"{service}.") for line in found.text.splitlines())


def _delete_one(subject: Subject, random: Random) -> str:
    """Delete an entry of ours that Consul lets go: not one whose protocol the rules of others need."""
    ours = [f"{each['Kind']}/{each.get('Name', 'mesh')}" for each in subject.entries()]
    random.shuffle(ours)
    with subject.consul() as consul:
        for name in ours:
            with suppress(MeshError):
                consul.call("DELETE", f"/config/{name}")
                return name
    raise AssertionError("Consul lets none of our entries go")


def entry_added(subject: Subject, random: Random) -> Struck:
    added: dict[str, Any] = random.choice(
        [
            {"Kind": "service-intentions", "Name": "fortio", "Sources": OPEN},
            {"Kind": "service-resolver", "Name": random.choice(SERVICES), "ConnectTimeout": "3s"},
            {"Kind": "service-defaults", "Name": "elsewhere", "Protocol": "http"},
        ]
    )
    name = f"{added['Kind']}/{added['Name']}"
    with subject.consul() as consul:
        consul.call("PUT", "/config", added)
    assert "is there" in _row(_preview(subject), name)
    towards = subject.others(random)
    said = subject.up(towards).end(0)
    assert f"left as it is: {name} is there" in said
    subject.posture = towards

    def take_away() -> None:
        with subject.consul() as consul:
            consul.call("DELETE", f"/config/{name}")

    return Struck(subject.others(random), (name,), take_away)


DRIFT_FAULTS = (
    Fault(
        "entry-edited",
        "a random intention is opened to everybody in Consul; `posture preview` tells what it opens",
        entry_edited,
    ),
    Fault("entry-deleted", "a random entry of ours is deleted in Consul; `posture preview` tells so", entry_deleted),
    Fault(
        "protocol-deleted",
        "the protocol of the service behind the gateway is deleted in Consul, which then forgets its endpoints",
        protocol_deleted,
    ),
    Fault(
        "entry-added",
        "an entry that isn't ours is put beside them; `preview` and `up` name it, and it stays",
        entry_added,
    ),
)
