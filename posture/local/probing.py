"""Asks the mesh as any of its members: a request straight to a sidecar, over TLS, with the source's own certificate.

Consul's agent hands out the leaf certificate of a service to who holds the service's token
(`GET /v1/agent/connect/ca/leaf/:service`), so no upstream has to be declared to try a call.
"""

from __future__ import annotations

import ssl
import tempfile
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

import httpx

from posture.local.consul import Consul
from posture.local.envoy import admin
from posture.local.instances import SIDECAR_PORT
from posture.local.interrupts import interrupted_after
from posture.local.loading import load, offer
from posture.model.entries import OTHER_KINDS, Kind
from posture.verify.answers import UPSTREAM_TIME, Answer
from posture.verify.attempts import attempt, get
from posture.verify.target import Endpoint

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from posture.local.instances import Instance
    from posture.local.layout import Layout
    from posture.local.mesh import Mesh
    from posture.model.access import Arrival, Request
    from posture.verify.attempts import Attempt
    from posture.verify.target import Offered, Pace

__all__ = ["Answer", "LocalTarget"]


class LocalTarget:
    """A local mesh as `posture.verify` asks it: requests under real identities, each on a connection of its own.

    Args:
        mesh: The mesh, running.
        layout: Its places.
        fortio: The program.

    Raises:
        MeshError: On the first question, if Consul does not answer or has no certificate for the source.
    """

    def __init__(self, mesh: Mesh, layout: Layout, fortio: Path) -> None:
        self._mesh = mesh
        self._layout = layout
        self._fortio = fortio
        self.context = cache(self._make_context)
        self.entrance_context = cache(self._make_entrance_context)

    @property
    def near(self) -> LocalTarget:
        """This: all its sockets can be reached."""
        return self

    @property
    def unread(self) -> None:
        """Nothing: all entries can be read."""

    def instances(self, service: str) -> list[str]:
        """The names of a service's instances."""
        return [each.name for each in self._instances(service)]

    def proxies(self) -> list[str]:
        """The names of all Envoys."""
        return [*(each.name for each in self._mesh.instances), self._mesh.gateway.name]

    def ask(self, request: Request) -> list[Answer]:
        """Send a request straight to the sidecar of each instance of its destination."""
        context = self.context(request.source)
        headers = {"Host": request.destination, **request.headers}
        return [
            _send(context, request.method, f"https://{host}:{port}{request.path}", headers)
            for _, host, port in self.sidecars(request.destination)
        ]

    def enter(self, arrival: Arrival) -> Answer:
        """Send a request to the gateway, as a visitor who trusts its certificate."""
        _, address, port = self.entrance()
        host = arrival.host or self._mesh.gateway.authority
        headers, name = {"Host": host, **arrival.headers}, host.partition(":")[0]
        return _send(self.entrance_context(), arrival.method, f"https://{address}:{port}{arrival.path}", headers, name)

    def knock(self, service: str, path: str) -> list[tuple[str, Attempt]]:
        """GET a path of each of a service's sidecars without a certificate, in plain text and over TLS."""
        return [
            (f"{endpoint.instance} {how}", attempt(endpoint, get(path, service), context))
            for endpoint in self.sidecars(service)
            for how, context in (("in plain text", None), ("over TLS", self.context(None)))
        ]

    def health_checks(self, _instance: str) -> dict[int, str]:
        """None: Consul itself checks a sidecar's port, and nothing behind it."""
        return {}

    def sidecars(self, service: str) -> list[Endpoint]:
        """Where the sidecars of a service's instances take mesh traffic."""
        return [Endpoint(each.name, each.address, SIDECAR_PORT) for each in self._instances(service)]

    def applications(self, service: str) -> list[Endpoint]:
        """Where the instances themselves listen, in plain text, behind their sidecars."""
        return [Endpoint(each.name, each.address, each.port) for each in self._instances(service) if each.port]

    def entrance(self) -> Endpoint:
        """Where the gateway takes visitors."""
        return Endpoint(self._mesh.gateway.name, "127.0.0.1", self._layout.gateway_port)

    def entries(self) -> list[dict[str, Any]]:
        """All config entries that Consul holds, but those that it makes itself."""
        with Consul(self._layout.consul_address, self._mesh.operator_token()) as consul:
            return [entry for kind in (*Kind, *OTHER_KINDS) for entry in consul.call("GET", f"/config/{kind}")]

    def envoy(self, instance: str, path: str) -> str | None:
        """What an Envoy's admin API answers to a GET."""
        answer = admin(self._layout, instance, path)
        return answer.text if answer else None

    def load(self, source: str, destination: str, path: str, *options: str) -> dict[str, Any]:
        """Fortio's JSON result of `fortio load OPTIONS`, as a client, through the client's own sidecar.

        Raises:
            MeshError: Fortio's own words.
        """
        client = next(each for each in self._mesh.instances if each.name == source)
        return load(self._fortio, *options, f"http://{client.address}:{client.upstreams[destination]}{path}")

    def offer(self, source: str | None, endpoint: Endpoint, pace: Pace) -> Offered:
        """Send requests straight to a sidecar as the source, or without one to the gateway as a visitor.

        A sidecar's certificate has a SPIFFE ID and no host name, so that Fortio can't check it; `context` does.

        Raises:
            MeshError: Fortio's own words.
        """
        if source is None:
            url = f"https://{self._mesh.gateway.host}:{endpoint.port}{pace.path}"
            trust = ("-cacert", str(self._layout.certificate), "-resolve", endpoint.host)
            return offer(self._fortio, pace, self._layout.state, *trust, url)
        url = f"https://{endpoint.host}:{endpoint.port}{pace.path}"
        with self._identity(source) as file:
            return offer(self._fortio, pace, self._layout.state, "-k", "-cert", file, "-key", file, url)

    def _instances(self, service: str) -> list[Instance]:
        return [each for each in self._mesh.instances if each.service == service and each.port]

    def _make_context(self, source: str | None) -> ssl.SSLContext:
        """A context that trusts the mesh's CA and has the source's certificate; none for None."""
        with self._consul_as(source or "") as consul:
            roots = consul.call("GET", "/agent/connect/ca/roots")
        context = ssl.create_default_context(cadata="".join(root["RootCert"] for root in roots["Roots"]))
        context.check_hostname = False  # a sidecar's certificate has a SPIFFE ID, no host name
        if source:
            with self._identity(source) as file:
                context.load_cert_chain(file)
        return context

    @contextmanager
    def _identity(self, source: str) -> Iterator[str]:
        """A file (0600) with the source's certificate and its key, for as long as the block runs."""
        with self._consul_as(source) as consul:
            leaf = consul.call("GET", f"/agent/connect/ca/leaf/{source}")
        with tempfile.NamedTemporaryFile("w", dir=self._layout.state, suffix=".pem") as file:
            file.write(leaf["CertPEM"] + leaf["PrivateKeyPEM"])
            file.flush()
            yield file.name

    def _consul_as(self, source: str) -> Consul:
        return Consul(self._layout.consul_address, self._mesh.service_token(source))

    def _make_entrance_context(self) -> ssl.SSLContext:
        """A TLS context that trusts the gateway's certificate."""
        return ssl.create_default_context(cafile=str(self._layout.certificate))


def _send(context: ssl.SSLContext, method: str, url: str, headers: Mapping[str, str], name: str = "") -> Answer:
    """Send a request over a connection of its own; ``name`` is the server's, where that isn't its address."""
    try:
        with interrupted_after(), httpx.Client(verify=context, timeout=10, trust_env=False) as client:
            answer = client.request(method, url, headers=headers, extensions={"sni_hostname": name} if name else {})
    except httpx.TransportError as error:
        return Answer(None, str(error) or type(error).__name__)
    return Answer(answer.status_code, answer.text[:100], UPSTREAM_TIME in answer.headers)
