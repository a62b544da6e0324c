"""A real mesh that takes one case's entries after another and answers its requests.

It has to be known when the Envoys have a case's rules, without asking the model. Consul hands each proxy all its
intentions at once, so a source of this round's own in the wildcard's entry, written last, brings those that were
written before it. The mesh entry comes another way. So each Envoy's admin API is asked for the listener that it serves
until that has both. The answers themselves come from traffic, each on a connection of its own, for one that was open
before would be answered by the old rules once.
"""

from __future__ import annotations

import json
import os
import socket
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from posture.local import tools
from posture.local.consul import Consul
from posture.local.layout import Layout
from posture.local.mesh import Mesh
from posture.local.probing import LocalTarget
from posture.model.application import Application
from posture.model.entries import Entry, Kind
from tests.conftest import eventually
from tests.fuzz.cases import DEFAULTS, PROTOCOLS, Answer, Ask, Case

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Lab", "a_lab"]

NETWORK, GATEWAY_PORT = "127.53", 9553
ANYWHERE = Entry(Kind.SERVICE_INTENTIONS, "*", {"Sources": []})
NO_MESH_ENTRY = Entry(Kind.MESH, "mesh", {"HTTP": {"Incoming": {"RequestNormalization": {}}}})
PATIENCE = 20.0


def application() -> Application:
    command = ("python", str(Path(__file__).with_name("echo.py")))
    return Application.model_validate(
        {
            "description": "Services that answer everything, for rules to keep requests from",
            "services": {
                name: {"protocol": protocol, "port": 9080, "command": command} for name, protocol in PROTOCOLS.items()
            },
            "gateway": {"routes": ({"prefix": "/", "to": next(iter(PROTOCOLS))},)},
        }
    ).named("fuzz")


class Lab:
    def __init__(self, consul: Consul, target: LocalTarget, admins: dict[str, httpx.Client]) -> None:
        self._consul = consul
        self._target = target
        self._admins = admins
        self._held: dict[tuple[Kind, str], Any] = {}
        self._served: tuple[Entry, ...] | None = None
        self._round = 0
        self.places = {name: target.sidecars(name)[0] for name in PROTOCOLS}
        for entry in DEFAULTS:
            self._put(entry)

    def ask(self, ask: Ask) -> Answer:
        """One request, byte for byte as the case has it."""
        place = self.places[ask.destination]
        lines = [f"{ask.method} {ask.path} HTTP/1.1", *(f"{name}: {value}" for name, value in ask.lines), "", ""]
        received = b""
        try:
            with (
                socket.create_connection((place.host, place.port), timeout=5) as plain,
                self._target.context(ask.source).wrap_socket(plain) as connection,
            ):
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # or 40 ms go by for each
                connection.sendall("\r\n".join(lines).encode("latin-1"))
                while b"\r\n\r\n" not in received and (more := connection.recv(65536)):
                    received += more
        except OSError:
            return Answer(None)
        if b"\r\n\r\n" not in received:
            return Answer(None)
        status, *headers = received.decode("latin-1").partition("\r\n\r\n")[0].split("\r\n")
        target = next((line[10:] for line in headers if line.lower().startswith("x-target: ")), None)
        return Answer(int(status.split()[1]), target)

    def apply(self, case: Case) -> None:
        """Have Consul hold these entries and no other rules; return when every Envoy serves them."""
        if case.entries == self._served:
            return
        self._served = None
        self._round += 1
        marker = f"round-{self._round}"
        wanted = {(entry.kind, entry.name): entry for entry in (NO_MESH_ENTRY, *case.entries)}
        anywhere = wanted.pop((Kind.SERVICE_INTENTIONS, "*"), ANYWHERE)
        for kind, name in self._held.keys() - wanted.keys():
            if kind == Kind.SERVICE_INTENTIONS and name != "*":
                self._consul.call("DELETE", f"/config/{kind}/{name}")
                del self._held[kind, name]
        for entry in wanted.values():
            self._put(entry)
        sources = [*anywhere.body["Sources"], {"Name": marker, "Action": "allow"}]
        self._put(Entry(anywhere.kind, "*", {"Sources": sources}))
        normalization = wanted[Kind.MESH, "mesh"].body["HTTP"]["Incoming"]["RequestNormalization"]
        for name in PROTOCOLS:
            self._wait(name, marker, normalization)
        self._served = case.entries

    def _put(self, entry: Entry) -> None:
        key = entry.kind, entry.name
        if self._held.get(key) != entry.body:
            named = {} if entry.kind == Kind.MESH else {"Name": entry.name}
            self._consul.call("PUT", "/config", {"Kind": entry.kind, **named, **entry.body})
            self._held[key] = entry.body

    def _wait(self, service: str, marker: str, normalization: dict[str, Any]) -> None:
        eventually(
            lambda: self._serves(service, marker, normalization),
            f"the Envoy of {service} does not take the rules: {self._held}",
            PATIENCE,
        )

    def _serves(self, service: str, marker: str, normalization: dict[str, Any]) -> bool:
        dump = self._admins[service].get("/config_dump?resource=dynamic_listeners").json()
        for listener in dump["configs"]:
            if listener["name"].startswith("public_listener"):
                active = listener["active_state"]["listener"]
                if f"/svc/{marker}$" not in json.dumps(active):
                    return False
                managers = [
                    each["typed_config"]
                    for chain in active["filter_chains"]
                    for each in chain["filters"]
                    if each["name"] == "envoy.filters.network.http_connection_manager"
                ]
                return all(settings(each) == wanted_settings(normalization) for each in managers)
        return False


def settings(manager: dict[str, Any]) -> tuple[bool, bool, str, str]:
    """Normalisation in an Envoy's own words, which leave out what is at its default."""
    return (
        manager.get("normalize_path", False),
        manager.get("merge_slashes", False),
        manager.get("path_with_escaped_slashes_action", "IMPLEMENTATION_SPECIFIC_DEFAULT"),
        manager.get("common_http_protocol_options", {}).get("headers_with_underscores_action", "ALLOW"),
    )


def wanted_settings(rules: dict[str, Any]) -> tuple[bool, bool, str, str]:
    """What Consul's `setNormalizationOptions` (agent/xds/listeners.go) makes of a mesh entry."""
    return (
        not rules.get("InsecureDisablePathNormalization", False),
        rules.get("MergeSlashes", False),
        rules.get("PathWithEscapedSlashesAction", "IMPLEMENTATION_SPECIFIC_DEFAULT"),
        rules.get("HeadersWithUnderscoresAction", "ALLOW"),
    )


@contextmanager
def a_lab(folder: Path) -> Iterator[Lab]:
    """A mesh with a folder of its own, ended with all its processes."""
    layout = Layout("vfuzz", folder, NETWORK, GATEWAY_PORT)
    programs = {name: found.path for name in ("consul", "envoy", "fortio") if (found := tools.find(name))}
    mesh = Mesh(layout, application(), programs)
    try:
        mesh.start(lambda _: None)
        mesh.wait_healthy(lambda _: None)
        with ExitStack() as open_until_the_end:
            consul = open_until_the_end.enter_context(Consul(layout.consul_address, mesh.operator_token()))
            admins = {name: open_until_the_end.enter_context(client) for name, client in admin_clients(layout, mesh)}
            yield Lab(consul, LocalTarget(mesh, layout, programs["fortio"]), admins)
    finally:
        Mesh.remove(layout)


def admin_clients(layout: Layout, mesh: Mesh) -> Iterable[tuple[str, httpx.Client]]:
    """A client of each sidecar's admin API; through the folder's descriptor, for a socket's path may not be long."""
    folder = os.open(layout.envoy, os.O_PATH | os.O_DIRECTORY)
    for instance in mesh.instances:
        path = f"/proc/self/fd/{folder}/{layout.admin_socket(instance.name).name}"
        transport = httpx.HTTPTransport(uds=path, verify=False)
        yield instance.service, httpx.Client(transport=transport, base_url="http://envoy", timeout=5)
