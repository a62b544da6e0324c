"""A posture: the grants it opens on top of default deny, the limits it sets, how hard the mesh is (`stacks/*.yaml`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, Self

import re2
from pydantic import AfterValidator, Field, StringConstraints, model_validator

from posture.errors import InputError
from posture.model.application import Application, Method, Name, UrlPath
from posture.model.document import Document, nearest, read_document
from posture.model.limits import KnownPath, Limit, check_limits
from posture.model.names import check_name
from posture.model.shape import NamedShape, Shape, parse

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Grant", "HeaderMatch", "Mesh", "Permission", "Posture", "available", "load_posture"]


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
HeaderValue = Annotated[str, Field(min_length=1)]
"""Consul takes an empty one for none."""
HeaderName = Annotated[str, StringConstraints(pattern=r"^:?[!#$%&'*+.^_`|~0-9A-Za-z-]+$")]
PATH_KINDS = ("path_exact", "path_prefix", "path_regex")
HEADER_KINDS = ("present", "exact", "prefix", "suffix", "contains", "regex")


class HeaderMatch(Shape):
    """A condition on one request header; a permission's conditions must all hold."""

    name: HeaderName
    present: Literal[True] | None = None
    exact: HeaderValue | None = None
    prefix: HeaderValue | None = None
    suffix: HeaderValue | None = None
    contains: HeaderValue | None = None
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

    path_exact: UrlPath | None = None
    path_prefix: UrlPath | None = None
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


class Mesh(Shape):
    """How hard the mesh is, beyond what is never loosened: no permissive mTLS, normalised paths."""

    tls_min_version: Literal["TLSv1_2", "TLSv1_3"] = "TLSv1_2"


class Posture(NamedShape):
    """Default deny, and what it opens. ``extends`` starts from another posture of the same folder."""

    description: str
    extends: Name | None = None
    mesh: Mesh = Mesh()
    grants: tuple[Grant, ...] = ()
    limits: Annotated[dict[Name, Limit], Field(default_factory=dict)]

    @property
    def layers(self) -> list[str]:
        """What it can be opened through, in order: its grants, then its limits."""
        return [*(grant.name for grant in self.grants), *self.limits]

    def through(self, layer: str) -> Posture:
        """The same posture up to and including a layer, to move to it step by step.

        Through a grant it opens no further ones, and limits all that it limits; through a limit it opens everything,
        and sets no further limits.

        Raises:
            InputError: The posture has no such layer.
        """
        if layer not in self.layers:
            raise InputError(f"posture '{self.name}' has no grant or limit '{layer}'; {nearest(layer, self.layers)}")
        if layer in self.limits:
            kept = list(self.limits)[: list(self.limits).index(layer) + 1]
            return self.model_copy(update={"limits": {name: self.limits[name] for name in kept}})
        return self.model_copy(update={"grants": self.grants[: self.layers.index(layer) + 1]})


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
    check_name("a posture", name)
    return _load(folder, name, application, ())


def _load(folder: Path, name: str, application: Application, above: tuple[str, ...]) -> Posture:
    document = read_document(folder / f"{name}.yaml")
    own = parse(document, Posture).named(name)
    document.check_filled()
    _check_against(application, own, document)
    if own.extends is None:
        _check_layers(application, own, own, document)
        return own
    chain = (*above, name)
    if own.extends in chain:
        document.fail(f"extends itself by way of {' -> '.join((*chain, own.extends))}; break the circle", "extends")
    if own.extends not in available(folder):
        document.fail(f"no posture '{own.extends}'; {nearest(own.extends, available(folder))}", "extends")
    base = _load(folder, own.extends, application, chain)
    inherited = {} if "mesh" in own.model_fields_set else {"mesh": base.mesh}
    # What is limited anew comes last, and is therefore what is in force.
    limits = {layer: limit for layer, limit in base.limits.items() if layer not in own.limits} | own.limits
    whole = own.model_copy(update={**inherited, "grants": base.grants + own.grants, "limits": limits})
    _check_layers(application, own, whole, document)
    return whole


def _check_against(application: Application, posture: Posture, document: Document) -> None:
    services, sources = application.services, application.sources
    for i, grant in enumerate(posture.grants):
        if grant.source not in sources:
            document.fail(
                f"nobody called '{grant.source}'; {nearest(grant.source, sources)}",
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


def _check_layers(application: Application, own: Posture, whole: Posture, document: Document) -> None:
    """Check what a file says against what it extends as well."""
    _check_grants(whole.grants, len(whole.grants) - len(own.grants), document)
    names = {grant.name for grant in whole.grants}
    for name in own.limits:
        if name in names:
            document.fail(f"'{name}' is a grant already; rename the limit", "limits", name)
    for i, grant in enumerate(own.grants):
        if grant.name in whole.limits:
            document.fail(f"'{grant.name}' is a limit already; rename the grant", "grants", i, "name")
    check_limits(application, own.limits, _granted(whole.grants), document)


def _granted(grants: tuple[Grant, ...]) -> dict[str, set[KnownPath]]:
    """The paths that grants speak of, by service; a regular expression may mean any."""
    found: dict[str, set[KnownPath]] = {}
    for grant in grants:
        for each in grant.permissions or ():
            exact = KnownPath(each.path_exact) if each.path_exact else None
            prefix = each.path_prefix or ("/" if each.path_regex else "")
            path = exact or (KnownPath(prefix, prefix=True) if prefix else None)
            found.setdefault(grant.destination, set()).update([path] if path else [])
    return found


def _check_grants(grants: tuple[Grant, ...], inherited: int, document: Document) -> None:
    """Refuse two grants of one name, and an L4 grant beside an L7 one: Consul can't hold both, and L4 is all."""
    names: set[str] = set()
    calls: dict[tuple[str, str], Grant] = {}
    for i, grant in enumerate(grants):
        place = ("grants", max(i - inherited, 0))
        if grant.name in names:
            document.fail(f"grant '{grant.name}' is there already; rename or remove one", *place, "name")
        earlier = calls.setdefault((grant.source, grant.destination), grant)
        if earlier is not grant and not (earlier.permissions and grant.permissions):
            document.fail(
                f"grant '{grant.name}' contradicts '{earlier.name}': one allows every request from "
                f"{grant.source} to {grant.destination}; keep one",
                *place,
            )
        names.add(grant.name)
