"""Asks the mesh as any of its members: a request straight to a sidecar, over TLS, with the source's own certificate.

Consul's agent hands out the leaf certificate of a service to who holds the service's token
(`GET /v1/agent/connect/ca/leaf/:service`), so no upstream has to be declared to try a call.
"""

from __future__ import annotations

import ssl
import tempfile
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import httpx

from posture.local.consul import Consul
from posture.local.instances import SIDECAR_PORT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from posture.local.layout import Layout
    from posture.local.mesh import Mesh
    from posture.model.access import Arrival, Request

__all__ = ["Answer", "LocalProber"]


@dataclass(frozen=True)
class Answer:
    """What came back: an HTTP status with the beginning of its body, or, without a status, the error's own words."""

    status: int | None
    words: str

    @property
    def denied(self) -> bool:
        """Whether Envoy's RBAC filter refused; an application's own 403 has other words."""
        return self.status == httpx.codes.FORBIDDEN and self.words.startswith("RBAC: access denied")


class LocalProber:
    """Requests under real identities, each on a connection of its own.

    Args:
        mesh: The mesh, running.
        layout: Its places.

    Raises:
        MeshError: On the first question, if Consul does not answer or has no certificate for the source.
    """

    def __init__(self, mesh: Mesh, layout: Layout) -> None:
        self._mesh = mesh
        self._layout = layout
        self.context = cache(self._make_context)

    def ask(self, request: Request) -> list[Answer]:
        """Send a request straight to the sidecar of each instance of its destination."""
        context = self.context(request.source)
        headers = {"Host": request.destination, **request.headers}
        return [
            _send(context, request.method, f"https://{address}:{SIDECAR_PORT}{request.path}", headers)
            for address in self.addresses(request.destination)
        ]

    def enter(self, arrival: Arrival) -> Answer:
        """Send a request to the gateway, as a visitor who trusts its certificate."""
        context = ssl.create_default_context(cafile=str(self._layout.certificate))
        url = f"https://localhost:{self._layout.gateway_port}{arrival.path}"
        return _send(context, arrival.method, url, arrival.headers)

    def addresses(self, service: str) -> list[str]:
        """The addresses of a service's instances; their sidecars listen there on `SIDECAR_PORT`."""
        return [member.address for member in self._mesh.instances if member.service == service and member.port]

    def _make_context(self, source: str | None) -> ssl.SSLContext:
        """A context that trusts the mesh's CA and has the source's certificate; none for None."""
        with Consul(self._layout.consul_address, self._mesh.service_token(source or "")) as consul:
            roots = consul.call("GET", "/agent/connect/ca/roots")
            leaf = consul.call("GET", f"/agent/connect/ca/leaf/{source}") if source else None
        context = ssl.create_default_context(cadata="".join(root["RootCert"] for root in roots["Roots"]))
        context.check_hostname = False  # a sidecar's certificate has a SPIFFE ID, no host name
        if leaf:
            with tempfile.NamedTemporaryFile("w", dir=self._layout.state, suffix=".pem") as file:
                file.write(leaf["CertPEM"] + leaf["PrivateKeyPEM"])
                file.flush()
                context.load_cert_chain(file.name)
        return context


def _send(context: ssl.SSLContext, method: str, url: str, headers: Mapping[str, str]) -> Answer:
    try:
        with httpx.Client(verify=context, timeout=10, trust_env=False) as client:
            answer = client.request(method, url, headers=headers)
    except httpx.TransportError as error:
        return Answer(None, str(error) or type(error).__name__)
    return Answer(answer.status_code, answer.text[:100])
