"""What rules see of a resource: a config entry, a workload, a Helm release, a certificate. Nothing here has I/O."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from posture.model.access import Access
from posture.model.entry import Entry, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import date

    from posture.model.application import Application

__all__ = [
    "Certificate",
    "Container",
    "ForeignEntry",
    "Plain",
    "Release",
    "Resource",
    "Stack",
    "Suppression",
    "Unreadable",
    "View",
    "Workload",
]


@dataclass(frozen=True)
class ForeignEntry:
    """A config entry of a kind that no posture consists of, such as `sameness-group`."""

    kind: str
    name: str
    body: Mapping[str, Any]


@dataclass(frozen=True)
class Container:
    """A container of a workload; ``security`` is its pod's context with its own over it, ``place`` is in the object."""

    name: str
    image: str
    security: Mapping[str, Any]
    limits: Mapping[str, Any]
    place: tuple[str | int, ...]


@dataclass(frozen=True)
class Workload:
    """What runs pods. ``name`` is that which Consul gives its service.

    ``redirects`` is what its pods' annotation says of transparent proxy, None where there is none; ``annotated`` is its
    place in the object.
    """

    kind: str
    name: str
    containers: tuple[Container, ...]
    redirects: str | None
    annotated: tuple[str | int, ...]


@dataclass(frozen=True)
class Release:
    """A Helm release of Consul's chart; ``values`` are those that are set, the chart's own are not among them."""

    chart: str
    version: str
    values: Mapping[str, Any]

    def value(self, *path: str, absent: Any = None) -> Any:  # noqa: ANN401 - any YAML
        """A value by its path; where it isn't set, what is given for that. One that is set to null is None."""
        here: Any = self.values
        for key in path:
            if not isinstance(here, dict) or key not in here:
                return absent
            here = here[key]
        return here


@dataclass(frozen=True)
class Certificate:
    """A certificate that a gateway serves, or several in a chain, as PEM."""

    pem: str


@dataclass(frozen=True)
class Unreadable:
    """A resource that no rule can judge, and why: a value that a preview doesn't know, or text that is no JSON."""

    why: str


View: TypeAlias = Entry | ForeignEntry | Workload | Release | Certificate | Unreadable


class Plain(NamedTuple):
    """A text among a resource's inputs that Pulumi would store and show as it is; ``key`` is the last of ``place``.

    ``text`` is None where a preview doesn't know it yet.
    """

    place: tuple[str | int, ...]
    text: str | None

    @property
    def key(self) -> str:
        """The name of the field."""
        return next((part for part in reversed(self.place) if isinstance(part, str)), "")


@dataclass(frozen=True)
class Resource:
    """One resource. ``name`` is the same whichever target it is for, so that a suppression holds for both.

    ``view`` is None where only the rules about plain texts have something to say.
    """

    name: str
    view: View | None
    plain: tuple[Plain, ...] = ()


class Suppression(NamedTuple):
    """A rule that does not count on a resource until a day; ``where`` is its file and line.

    ``stack`` is the one that it holds for; it is empty where it holds for all.
    """

    rule: str
    resource: str
    reason: str
    expires: date
    where: str
    stack: str = ""


@dataclass(frozen=True)
class Stack:
    """All resources of a stack, or of the files that are judged together.

    ``application`` is None where nobody says which one it is; then what it declares can't be judged. ``found`` is what
    the rules before have found, by rule and resource, whether suppressed or not.
    """

    resources: tuple[Resource, ...]
    application: Application | None = None
    suppressions: tuple[Suppression, ...] = ()
    found: frozenset[tuple[str, str]] = frozenset()

    def entries(self, kind: Kind | None = None) -> Iterator[tuple[Resource, Entry]]:
        """The config entries, of one kind or of all."""
        for resource in self.resources:
            if isinstance(resource.view, Entry) and kind in {None, resource.view.kind}:
                yield resource, resource.view

    @cached_property
    def access(self) -> Access:
        """Who may call whom, by these entries."""
        return Access(entry for _, entry in self.entries())

    @cached_property
    def gateways(self) -> frozenset[str]:
        """The names of the API gateways, which are their identities."""
        return frozenset(entry.name for _, entry in self.entries(Kind.API_GATEWAY))

    @cached_property
    def edge_services(self) -> Mapping[str, Resource]:
        """The services that a gateway's routes lead to, each with the first of those routes."""
        found: dict[str, Resource] = {}
        for route, entry in self.entries(Kind.HTTP_ROUTE):
            for rule in entry.body.get("Rules") or ():
                for service in rule.get("Services") or ():
                    found.setdefault(service["Name"], route)
        return found

    @cached_property
    def entrances(self) -> Mapping[str, set[str]]:
        """The gateways that lead to each of those services."""
        found: dict[str, set[str]] = {}
        for _, entry in self.entries(Kind.HTTP_ROUTE):
            parents = {parent["Name"] for parent in entry.body.get("Parents") or ()}
            for rule in entry.body.get("Rules") or ():
                for service in rule.get("Services") or ():
                    found.setdefault(service["Name"], set()).update(parents)
        return found
