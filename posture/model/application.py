"""An application in the mesh: its services, who calls whom, its clients and its gateway, as `apps/*.yaml` says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator
from pydantic.json_schema import SkipJsonSchema

from posture.model.container import Container
from posture.model.document import Document, nearest, read_document
from posture.model.matrix import OUTSIDE, UNKNOWN
from posture.model.routes import authority, host_of
from posture.model.shape import NamedShape, Shape, parse

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "CERTIFICATE",
    "HOSTNAME",
    "NAME",
    "PRIVATE_KEY",
    "Application",
    "Call",
    "Client",
    "Gateway",
    "Method",
    "Name",
    "Route",
    "Service",
    "UrlPath",
    "load_application",
]

NAME = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
Name = Annotated[str, StringConstraints(pattern=NAME)]
"""A service's name: a DNS label, which both Consul and Kubernetes accept."""

UrlPath = Annotated[str, StringConstraints(pattern=r"^/[!\"$->@-~]*$")]
"""What a request line can hold: printable ASCII (RFC 3986), up to where a query or a fragment would begin."""

_LABEL = "[a-z0-9]([a-z0-9-]*[a-z0-9])?"
HOSTNAME = rf"^(\*|(\*\.)?{_LABEL}(\.{_LABEL})*)$"
Hostname = Annotated[str, StringConstraints(pattern=HOSTNAME)]
Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE"]
"""The methods that Consul accepts in a permission (its `isValidHTTPMethod`)."""

Port = Annotated[int, Field(ge=1, le=65535)]

CERTIFICATE, PRIVATE_KEY = "gateway/certificate.pem", "gateway/key.pem"
"""Where the local target makes them, below the working directory of the gateway's Envoy."""


class Call(Shape):
    """A request that a service makes of another, by example: it is what the service needs to work."""

    to: Name
    method: Method = "GET"
    path: UrlPath


class Service(Shape):
    """A service of the mesh, in one or more versions that share its name, its rules and its port."""

    protocol: Literal["http", "tcp"] = "http"
    port: Port
    versions: Annotated[tuple[Name, ...], Field(min_length=1)] = ("v1",)
    command: Annotated[tuple[str, ...], Field(min_length=1)]
    """How the local target starts it; it finds its address and its upstreams in the environment."""
    container: Container | None = None
    calls: tuple[Call, ...] = ()


class Client(Shape):
    """A caller with an identity in the mesh and no server of its own, such as a load generator."""

    calls: Annotated[tuple[Call, ...], Field(min_length=1)]
    container: Container | None = None


class Route(Shape):
    """A path that the gateway sends to a service: exactly this path, or all paths below a prefix."""

    exact: UrlPath | None = None
    prefix: UrlPath | None = None
    to: Name

    @property
    def path(self) -> str:
        """The path, of whichever kind."""
        return self.exact or self.prefix or ""

    @model_validator(mode="after")
    def _one_path(self) -> Self:
        if (self.exact is None) == (self.prefix is None):
            raise ValueError("a route has either 'exact' or 'prefix'; keep one")
        return self


class Gateway(Shape):
    """The HTTPS entrance. The local target makes the certificate, at these paths alone; a cluster's is in a Secret."""

    name: Name = "gateway"
    hostname: Hostname = "localhost"
    port: SkipJsonSchema[Port] = 8443
    """The stack's; a file may not say it."""
    certificate: str = CERTIFICATE
    private_key: str = PRIVATE_KEY
    routes: Annotated[tuple[Route, ...], Field(min_length=1)]

    @property
    def host(self) -> str:
        """A name that visitors may come by."""
        return host_of(self.hostname)

    @property
    def authority(self) -> str:
        """What clients send as `Host` then."""
        return authority(self.hostname, self.port, tls=True)

    @property
    def page(self) -> str:
        """The URL of the first page behind it."""
        return f"https://{self.authority}{self.routes[0].path}"


class Application(NamedShape):
    """All that a posture can talk about."""

    description: str
    services: Annotated[dict[Name, Service], Field(min_length=1)]
    clients: Annotated[dict[Name, Client], Field(default_factory=dict)]
    gateway: Gateway

    @property
    def sources(self) -> frozenset[str]:
        """Every name that can call: services, clients and the gateway."""
        return frozenset({*self.services, *self.clients, self.gateway.name})


def load_application(file: Path) -> Application:
    """Read an application.

    Raises:
        InputError: What is wrong, by file and line.
    """
    document = read_document(file)
    application = parse(document, Application).named(file.stem)
    document.check_filled()
    if "port" in application.gateway.model_fields_set:
        message = "the gateway's port is each stack's own; remove it, and set 'gatewayPort' in Pulumi.STACK.yaml"
        document.fail(message, "gateway", "port")
    _check_reserved(application, document)
    _check_names(application, document)
    return application


def _check_reserved(application: Application, document: Document) -> None:
    gateway = application.gateway.name
    for group, names in (("services", application.services), ("clients", application.clients), ("gateway", [gateway])):
        for name in names:
            if name in {UNKNOWN, OUTSIDE}:
                message = f"'{name}' is what callers are called that the application doesn't have; rename it"
                document.fail(message, group, name)


def _check_names(application: Application, document: Document) -> None:
    services, gateway = application.services, application.gateway
    members = _check_members(services, document)
    for name in application.clients:
        if name in services:
            document.fail(f"'{name}' is a service already; give the client another name", "clients", name)
        if name in members:
            document.fail(f"'{name}' is an instance of a service; give the client another name", "clients", name)
    if gateway.name in {*services, *application.clients, *members}:
        document.fail(f"'{gateway.name}' is taken; rename the gateway", "gateway", "name")
    for group, callers in (("services", services), ("clients", application.clients)):
        for name, caller in callers.items():
            for i, call in enumerate(caller.calls):
                _check_service(call.to, services, document, group, name, "calls", i, "to")
    for i, route in enumerate(gateway.routes):
        place = ("gateway", "routes", i, "to")
        _check_service(route.to, services, document, *place)
        if services[route.to].protocol != "http":
            document.fail(f"'{route.to}' is a tcp service; routes by path need http", *place)


def _check_members(services: dict[str, Service], document: Document) -> set[str]:
    """The names of the services' instances, which both targets run under them."""
    found: set[str] = set()
    for name, service in services.items():
        for i, version in enumerate(service.versions):
            member = f"{name}-{version}"
            if member in found:
                document.fail(f"two instances would be called '{member}'; rename one", "services", name, "versions", i)
            found.add(member)
    return found


def _check_service(name: str, services: dict[str, Service], document: Document, *place: str | int) -> None:
    if name not in services:
        document.fail(f"no service '{name}'; {nearest(name, services)}", *place)
