"""A real mesh that takes one case's entries after another and answers its requests.

It has to be known when the Envoys have a case's rules, without asking the model. Consul hands each proxy all its
intentions at once, so a source of this round's own in the wildcard's entry, written last, brings those that were
written before it. The mesh entry comes another way. So each Envoy's admin API is asked for the listener that it serves
until that has both. The answers themselves come from traffic, each on a connection of its own, for one that was open
before would be answered by the old rules once. The gateway keeps its connections to the services, so these are used up
first (see `entrance`), and sidecars close what was opened under earlier rules at once, not after a second.
"""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import httpx

from posture.local import tools
from posture.local.consul import Consul
from posture.local.errors import MeshError
from posture.local.layout import Layout
from posture.local.mesh import Mesh
from posture.local.probing import LocalTarget
from posture.model.application import Application
from posture.model.entries import Entry, Kind
from posture.verify.raw_http import request_bytes
from posture.verify.wire import connected
from tests.conftest import eventually
from tests.fuzz.cases import DEFAULTS, GATEWAY, PROTOCOLS, VISITOR, Answer, Ask, Case
from tests.fuzz.entrance import GATEWAY_PORT, HTTP_SERVICES, entrance_entries, lab_path, marks_served
from tests.fuzz.tokens import PROVIDERS, provider_entry

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Lab", "a_lab"]

NETWORK = "127.53"
ANYWHERE = Entry(Kind.SERVICE_INTENTIONS, "*", {"Sources": []})
NO_MESH_ENTRY = Entry(Kind.MESH, "mesh", {"HTTP": {"Incoming": {"RequestNormalization": {}}}})
PATIENCE = 5.0


def application() -> Application:
    command = ("python", str(Path(__file__).with_name("echo.py")))
    return Application.model_validate(
        {
            "description": "Services that answer everything, for rules to keep requests from",
            "services": {
                name: {"protocol": protocol, "port": 9080, "command": command} for name, protocol in PROTOCOLS.items()
            },
            "gateway": {"name": GATEWAY, "routes": ({"prefix": "/", "to": next(iter(PROTOCOLS))},)},
        }
    ).named("fuzz")


class Lab:
    def __init__(self, mesh: Mesh, consul: Consul, target: LocalTarget, admins: dict[str, httpx.Client]) -> None:
        self.mesh = mesh
        self._consul = consul
        self.target = target
        self._admins = admins
        self._held: dict[tuple[Kind, str], Any] = {}
        self._served: tuple[Entry, ...] | None = None
        self._round = 0
        self.places = {name: target.sidecars(name)[0] for name in PROTOCOLS}
        self._services = {each.host: name for name in PROTOCOLS for each in target.applications(name)}
        for provider in PROVIDERS:
            consul.call("PUT", "/config", provider_entry(provider))
        for entry in DEFAULTS:
            self._put(entry)

    def ask(self, ask: Ask) -> Answer:
        """One request, byte for byte as the case has it."""
        place = self.target.entrance() if ask.visits else self.places[ask.destination]
        context = None if ask.visits else self.target.context(ask.source)
        headers = (*ask.lines, *(token.line for token in ask.tokens))
        received = b""
        try:
            with connected(place, context, None, timeout=5) as connection:
                connection.sendall(request_bytes(ask.method, ask.path, headers))
                while b"\r\n\r\n" not in received and (more := connection.recv(65536)):
                    received += more
        except OSError:
            return Answer(None)
        if b"\r\n\r\n" not in received:
            return Answer(None)
        status, *lines = received.decode("latin-1").partition("\r\n\r\n")[0].split("\r\n")
        found = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        service = self._services.get(found.get("x-address", "")) if ask.visits else None
        return Answer(int(status.split()[1]), found.get("x-target"), service)

    def apply(self, case: Case) -> None:
        """Have Consul hold these entries and no other rules; return when every Envoy serves them.

        A Consul that has died is started again, once, as an `up` does: that of 1.22.7 may, under so many writes of
        gateways (ADR 4).
        """
        if case.entries == self._served:
            return
        try:
            self._apply(case)
        except (MeshError, AssertionError):
            time.sleep(1)  # until its supervisor has heard of its end
            consul = self.mesh.consul
            if consul.state != "dead":
                raise
            sys.stderr.write("\n".join([f"\nfuzz: {consul}; starting it again", *consul.log, ""]))
            self.mesh.start(lambda _: None)
            self.mesh.wait_healthy(lambda _: None)
            self._apply(case)

    def _apply(self, case: Case) -> None:
        self._served = None
        self._round += 1
        marker = f"round-{self._round}"
        wanted = {(entry.kind, entry.name): entry for entry in (NO_MESH_ENTRY, *case.entries)}
        anywhere = wanted.pop((Kind.SERVICE_INTENTIONS, "*"), ANYWHERE)
        entrance, marks = entrance_entries(case.entries, marker)
        wanted |= {(entry.kind, entry.name): entry for entry in entrance}
        for kind, name in self._held.keys() - wanted.keys():
            if kind in {Kind.SERVICE_INTENTIONS, Kind.HTTP_ROUTE} and name != "*":
                self._consul.call("DELETE", f"/config/{kind}/{name}")
                del self._held[kind, name]
        for entry in wanted.values():
            self._put(entry)
        sources = [*anywhere.body["Sources"], {"Name": marker, "Action": "allow"}]
        self._put(Entry(anywhere.kind, "*", {**anywhere.body, "Sources": sources}))
        for name in PROTOCOLS:
            self._wait(name, marker, wanted[Kind.MESH, "mesh"].body["HTTP"])
        eventually(lambda: self._routes_by(marks), f"the gateway does not take its routes: {self._held}", PATIENCE)
        hostname = entrance[0].body["Listeners"][0].get("Hostname", "any").replace("*", "any")
        for name in HTTP_SERVICES:
            self.ask(Ask(VISITOR, name, "GET", lab_path(name), (("Host", hostname),)))
        self._served = case.entries

    def _routes_by(self, marks: set[str]) -> bool:
        dump = self._admins[GATEWAY].get("/config_dump?resource=dynamic_route_configs")
        return dump.is_success and marks_served(dump.json()) == marks  # without a listener there are no routes

    def _put(self, entry: Entry) -> None:
        key = entry.kind, entry.name
        if self._held.get(key) != entry.body:
            named = {} if entry.kind == Kind.MESH else {"Name": entry.name}
            self._consul.call("PUT", "/config", {"Kind": entry.kind, **named, **entry.body})
            self._held[key] = entry.body

    def _wait(self, service: str, marker: str, http: dict[str, Any]) -> None:
        eventually(
            lambda: self._serves(service, marker, http),
            f"the Envoy of {service} does not take the rules: {self._held}",
            PATIENCE,
        )

    def _serves(self, service: str, marker: str, http: dict[str, Any]) -> bool:
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
                return all(settings(each) == wanted_settings(http) for each in managers)
        return False


def settings(manager: dict[str, Any]) -> tuple[str, bool, bool, str, str]:
    """What a mesh entry decides, in an Envoy's own words, which leave out what is at its default."""
    return (
        manager.get("forward_client_cert_details", "SANITIZE"),
        manager.get("normalize_path", False),
        manager.get("merge_slashes", False),
        manager.get("path_with_escaped_slashes_action", "IMPLEMENTATION_SPECIFIC_DEFAULT"),
        manager.get("common_http_protocol_options", {}).get("headers_with_underscores_action", "ALLOW"),
    )


def wanted_settings(http: dict[str, Any]) -> tuple[str, bool, bool, str, str]:
    """What Consul's `makeInboundListener` and `setNormalizationOptions` (agent/xds/listeners.go) make of that entry."""
    rules = http["Incoming"]["RequestNormalization"]
    return (
        "SANITIZE" if http.get("SanitizeXForwardedClientCert") else "APPEND_FORWARD",
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
        with patch("posture.local.envoy.DRAIN_SECONDS", 0):
            mesh.start(lambda _: None)
        mesh.wait_healthy(lambda _: None)
        with ExitStack() as open_until_the_end:
            consul = open_until_the_end.enter_context(Consul(layout.consul_address, mesh.operator_token()))
            admins = {name: open_until_the_end.enter_context(client) for name, client in admin_clients(layout, mesh)}
            yield Lab(mesh, consul, LocalTarget(mesh, layout, programs["fortio"]), admins)
    finally:
        Mesh.remove(layout)


def admin_clients(layout: Layout, mesh: Mesh) -> Iterable[tuple[str, httpx.Client]]:
    """A client of each sidecar's admin API; through the folder's descriptor, for a socket's path may not be long."""
    folder = os.open(layout.envoy, os.O_PATH | os.O_DIRECTORY)
    names = {**{instance.service: instance.name for instance in mesh.instances}, GATEWAY: mesh.gateway.name}
    for service, name in names.items():
        path = f"/proc/self/fd/{folder}/{layout.admin_socket(name).name}"
        transport = httpx.HTTPTransport(uds=path, verify=False)
        yield service, httpx.Client(transport=transport, base_url="http://envoy", timeout=5)
