"""The small interface by which a mesh is asked; each place where meshes run implements it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping, Sequence

    from posture.model.access import Arrival, Request
    from posture.verify.attempts import Attempt

__all__ = ["Answer", "Endpoint", "NearTarget", "Offered", "Pace", "Reply", "Target"]


class Endpoint(NamedTuple):
    """Where something listens. ``instance`` is its name, as `reviews-v2`, or the gateway's."""

    instance: str
    host: str
    port: int


class Pace(NamedTuple):
    """How to send the same request again and again: spread evenly over connections that are kept."""

    path: str
    per_second: float
    seconds: float
    connections: int = 4
    method: str = "GET"


class Reply(NamedTuple):
    """What came of one request: when it was sent (Unix time), how long the answer took (seconds), its status if any."""

    at: float
    took: float
    status: int | None


class Offered(NamedTuple):
    """The requests in the order in which they were sent, from ``begun`` (Unix time) on.

    ``unseen`` more were sent before them, with unknown answers.
    """

    begun: float
    replies: Sequence[Reply]
    unseen: int


class Answer(Protocol):
    """What came back; without a status, there was no HTTP answer."""

    @property
    def status(self) -> int | None:
        """The HTTP status."""

    @property
    def denied(self) -> bool:
        """Whether a proxy's intentions refused it."""

    @property
    def passed_on(self) -> bool:
        """Whether the proxy that was asked had it from further on; its own answers are refusals or troubles."""

    @property
    def words(self) -> str:
        """The beginning of the body, or the error."""


class Target(Protocol):
    """A running mesh, and what can be asked of every one."""

    @property
    def near(self) -> NearTarget | None:
        """The same mesh, where its sockets can be reached from here."""

    def instances(self, service: str) -> Sequence[str]:
        """The names of a service's instances, in the order in which `ask` asks them."""

    def proxies(self) -> Sequence[str]:
        """The names of all instances that have an Envoy: those of services, the clients, the gateway."""

    def ask(self, request: Request) -> Sequence[Answer]:
        """Send a request to each instance of its destination as its source, each on a fresh connection."""

    def enter(self, arrival: Arrival) -> Answer:
        """Send a request to the gateway, as a visitor; without a host, to `localhost`."""

    def knock(self, service: str, path: str) -> Sequence[tuple[str, Attempt]]:
        """GET a path of each of a service's sidecars as a process without a certificate; with words on each attempt."""

    def health_checks(self, instance: str) -> Mapping[int, str]:
        """The paths by port that a platform's health checks ask an instance's sidecar for, without a certificate."""

    def entries(self) -> Sequence[dict[str, Any]]:
        """All config entries that Consul holds, of every kind that says what the mesh does, in the API's JSON."""

    @property
    def unread(self) -> str | None:
        """Why some of these entries can't be had, and which; None if all are."""

    def envoy(self, instance: str, path: str) -> str | None:
        """What the admin API of an instance's Envoy, or of the gateway's, answers to a GET; None without an answer."""

    def load(self, source: str, destination: str, path: str, *options: str) -> dict[str, Any]:
        """Fortio's JSON result of `fortio load OPTIONS` with a client's identity, through its own sidecar."""


class NearTarget(Target, Protocol):
    """A mesh on this machine, at which any bytes can be thrown."""

    def context(self, source: str | None) -> ssl.SSLContext:
        """A TLS context that trusts the mesh's CA and bears the source's certificate; none for None."""

    def entrance_context(self) -> ssl.SSLContext:
        """A TLS context that trusts the gateway's certificate."""

    def sidecars(self, service: str) -> Sequence[Endpoint]:
        """Where the sidecars of a service's instances take mesh traffic."""

    def applications(self, service: str) -> Sequence[Endpoint]:
        """Where the instances themselves listen, in plain text, behind their sidecars."""

    def entrance(self) -> Endpoint:
        """Where the gateway takes visitors."""

    def offer(self, source: str | None, endpoint: Endpoint, pace: Pace) -> Offered:
        """Send requests straight to a sidecar as the source, or without one to the gateway as a visitor."""
