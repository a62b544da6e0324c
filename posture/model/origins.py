"""Where the rules of a posture are written: the file and line of the grant, permission or route behind each."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from posture.model.document import read_document
from posture.model.entry import Kind
from posture.model.posture import Posture
from posture.model.shape import parse

if TYPE_CHECKING:
    from pathlib import Path

    from posture.model.application import Application
    from posture.model.document import Document

__all__ = ["Origin", "origins"]


class Origin(NamedTuple):
    """A place in a file of the project, and the name of the grant there, if it is one."""

    file: str
    line: int
    grant: str = ""

    def __str__(self) -> str:
        """As editors and terminals understand it."""
        return f"{self.file}:{self.line}"


def origins(project: Path, application: Application, posture: str) -> dict[str, Origin]:
    """The places of all rules, by the rules' names as decisions give them.

    What isn't here is written by nobody: the denials that every posture ends in.

    Raises:
        InputError: A file can't be read.
    """
    return _of_grants(project, posture) | _of_routes(project, application)


def _of_grants(project: Path, posture: str) -> dict[str, Origin]:
    """Follows `entries._sources`: the permissions of all grants between two services, numbered in their order."""
    found: dict[str, Origin] = {}
    numbers: dict[str, int] = {}
    for document, own in _chain(project, posture):
        file = str(document.file.relative_to(project))
        for i, grant in enumerate(own.grants):
            name = f"{Kind.SERVICE_INTENTIONS}/{grant.destination} source {grant.source}"
            found.setdefault(name, Origin(file, document.lines["grants", i], grant.name))
            for j in range(len(grant.permissions or ())):
                numbers[name] = number = numbers.get(name, 0) + 1
                line = document.lines["grants", i, "permissions", j]
                found[f"{name} permission {number}"] = Origin(file, line, grant.name)
    return found


def _chain(project: Path, posture: str) -> list[tuple[Document, Posture]]:
    """A posture's file and those that it extends, the base first; that they are sound is checked where it is loaded."""
    chain: list[tuple[Document, Posture]] = []
    name: str | None = posture
    while name:
        document = read_document(project / "stacks" / f"{name}.yaml")
        own = parse(document, Posture)
        chain.insert(0, (document, own))
        name = own.extends
    return chain


def _of_routes(project: Path, application: Application) -> dict[str, Origin]:
    """Follows `entries._gateway`: the gateway's routes, service by service."""
    document = read_document(project / "apps" / f"{application.name}.yaml")
    file = str(document.file.relative_to(project))
    routes = list(enumerate(application.gateway.routes))
    services = dict.fromkeys(route.to for _, route in routes)
    in_order = [i for service in services for i, route in routes if route.to == service]
    return {
        f"{Kind.HTTP_ROUTE}/{application.name} match {number}": Origin(file, document.lines["gateway", "routes", i])
        for number, i in enumerate(in_order, 1)
    }
