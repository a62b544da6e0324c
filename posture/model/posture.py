"""A posture: the grants it opens on top of default deny, the limits it sets, how hard the mesh is (`stacks/*.yaml`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, Self

import re2
from pydantic import AfterValidator, Field, StringConstraints, model_validator

from posture.errors import InputError
from posture.model.application import Application, Method, Name
from posture.model.document import Document, NamedShape, Shape, nearest, read_document

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Grant", "HeaderMatch", "Limits", "Mesh", "Permission", "Posture", "available", "load_posture"]


_QUIETLY = re2.Options()
_QUIETLY.log_errors = False


def _re2(pattern: str) -> str:
    """Consul takes any text as a regular expression; Envoy, which uses RE2, then refuses the listener's updates."""
    try:
        re2.compile(pattern, _QUIETLY)
    except re2.error as error:
        raise ValueError(f"'{pattern}' is no RE2 regular expression ({_words(error)}); correct it") from None
    return pattern


def _words(error: Exception) -> str:
    said = error.args[0]
    return said.decode() if isinstance(said, bytes) else str(said)


Regex = Annotated[str, Field(min_length=1), AfterValidator(_re2)]
RulePath = Annotated[str, StringConstraints(pattern=r"^/[^\s?#]*$")]
PATH_KINDS = ("path_exact", "path_prefix", "path_regex")
HEADER_KINDS = ("present", "exact", "prefix", "suffix", "contains", "regex")


class HeaderMatch(Shape):
    """A condition on one request header; a permission's conditions must all hold."""

    name: Annotated[str, Field(min_length=1)]
    present: Literal[True] | None = None
    exact: str | None = None
    prefix: str | None = None
    suffix: str | None = None
    contains: str | None = None
    regex: Regex | None = None
    invert: bool = False
    ignore_case: bool = False

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        kinds = [kind for kind in HEADER_KINDS if getattr(self, kind) is not None]
        if len(kinds) != 1:
            raise ValueError(f"a header has exactly one of {', '.join(HEADER_KINDS)}; keep one")
        if self.ignore_case and kinds[0] in {"present", "regex"}:
            raise ValueError(f"'ignoreCase' does not go with '{kinds[0]}'; remove it")
        return self


class Permission(Shape):
    """Requests that an http grant allows: a path (at most one kind), methods, headers; all must match."""

    path_exact: RulePath | None = None
    path_prefix: RulePath | None = None
    path_regex: Regex | None = None
    methods: Annotated[tuple[Method, ...], Field(min_length=1)] | None = None
    header: Annotated[tuple[HeaderMatch, ...], Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if sum(getattr(self, kind) is not None for kind in PATH_KINDS) > 1:
            raise ValueError("a permission has one of pathExact, pathPrefix, pathRegex; keep one")
        if not self.model_fields_set:
            raise ValueError("a permission that names nothing allows nothing; name a path, methods or headers")
        if self.methods and len(set(self.methods)) < len(self.methods):
            raise ValueError("'methods' names one twice; remove it")
        return self


class Grant(Shape):
    """A named permission: this source may call this destination; without permissions, in any way (L4)."""

    name: Name
    description: str = ""
    source: Annotated[Name, Field(alias="from")]
    destination: Annotated[Name, Field(alias="to")]
    permissions: Annotated[tuple[Permission, ...], Field(min_length=1)] | None = None


class Limits(Shape):
    """Limits on one service. ``maxInboundConnections`` counts concurrent connections per instance."""

    max_inbound_connections: Annotated[int, Field(ge=1)]


class Mesh(Shape):
    """How hard the mesh is, beyond what is never loosened: no permissive mTLS, normalised paths."""

    tls_min_version: Literal["TLSv1_2", "TLSv1_3"] = "TLSv1_2"


class Posture(NamedShape):
    """Default deny, and what it opens. ``extends`` starts from another posture of the same folder."""

    description: str
    extends: Name | None = None
    mesh: Mesh = Mesh()
    grants: tuple[Grant, ...] = ()
    limits: Annotated[dict[Name, Limits], Field(default_factory=dict)]

    def through(self, grant: str) -> Posture:
        """The same posture with its grants up to and including this one, to open layers step by step.

        Raises:
            InputError: The posture has no such grant.
        """
        names = [each.name for each in self.grants]
        if grant not in names:
            raise InputError(f"posture '{self.name}' has no grant '{grant}'; {nearest(grant, names)}")
        return self.model_copy(update={"grants": self.grants[: names.index(grant) + 1]})


def available(folder: Path) -> list[str]:
    """The names of the postures in a folder."""
    return sorted(file.stem for file in folder.glob("*.yaml"))


def load_posture(folder: Path, name: str, application: Application) -> Posture:
    """Read a posture and check it against the application that it is for.

    Raises:
        InputError: No such posture, or what is wrong in it, by file and line.
    """
    known = available(folder)
    if name not in known:
        raise InputError(f"no posture '{name}'; {nearest(name, known)}")
    return _load(folder, name, application, ())


def _load(folder: Path, name: str, application: Application, above: tuple[str, ...]) -> Posture:
    document = read_document(folder / f"{name}.yaml")
    own = document.parse(Posture).named(name)
    _check_against(application, own, document)
    if own.extends is None:
        _check_grants(own.grants, 0, document)
        return own
    chain = (*above, name)
    if own.extends in chain:
        document.fail(f"extends itself by way of {' -> '.join((*chain, own.extends))}; break the circle", "extends")
    if own.extends not in available(folder):
        document.fail(f"no posture '{own.extends}'; {nearest(own.extends, available(folder))}", "extends")
    base = _load(folder, own.extends, application, chain)
    _check_grants(base.grants + own.grants, len(base.grants), document)
    inherited = {} if "mesh" in own.model_fields_set else {"mesh": base.mesh}
    return own.model_copy(
        update={**inherited, "grants": base.grants + own.grants, "limits": {**base.limits, **own.limits}}
    )


def _check_against(application: Application, posture: Posture, document: Document) -> None:
    services = application.services
    for i, grant in enumerate(posture.grants):
        if grant.source not in application.sources:
            document.fail(
                f"nobody called '{grant.source}'; {nearest(grant.source, application.sources)}",
                "grants",
                i,
                "from",
            )
        if grant.destination not in services:
            document.fail(
                f"no service '{grant.destination}'; {nearest(grant.destination, services)}", "grants", i, "to"
            )
        if grant.permissions and services[grant.destination].protocol != "http":
            document.fail(
                f"'{grant.destination}' is a tcp service, which has no paths or methods; remove 'permissions'",
                *("grants", i, "permissions"),
            )
    for name in posture.limits:
        if name not in services:
            document.fail(f"no service '{name}'; {nearest(name, services)}", "limits", name)


def _check_grants(grants: tuple[Grant, ...], inherited: int, document: Document) -> None:
    """Refuse two grants of one name, and an L4 grant beside an L7 one: Consul can't hold both, and L4 is all."""
    for i, grant in enumerate(grants):
        for earlier in grants[:i]:
            place = ("grants", max(i - inherited, 0))
            if earlier.name == grant.name:
                document.fail(f"grant '{grant.name}' is there already; rename or remove one", *place, "name")
            same_call = (earlier.source, earlier.destination) == (grant.source, grant.destination)
            if same_call and not (earlier.permissions and grant.permissions):
                document.fail(
                    f"grant '{grant.name}' contradicts '{earlier.name}': one allows every request from "
                    f"{grant.source} to {grant.destination}; keep one",
                    *place,
                )
