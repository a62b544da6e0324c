"""Resources that are written in YAML files, and the lines of what is in them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from policies.reading import of_config_entry, of_kubernetes, of_pulumi
from policies.view import ForeignEntry
from posture.model.entry import Entry, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from policies.rule import Place
    from policies.view import Resource
    from posture.model.document import Document

__all__ = ["Located", "is_resource", "resources_in"]


_ONLY_NAMES = {Kind.MESH.value: "mesh", Kind.PROXY_DEFAULTS.value: "global"}
"""Of kinds that have one entry, which may leave its name out (agent/structs/config_entry*.go of Consul 1.22.7)."""


@dataclass(frozen=True)
class Located:
    """A resource and where it is written; ``camel`` says that an entry's fields are in camelCase there."""

    resource: Resource
    document: Document
    below: Place = ()
    camel: bool = False

    def line(self, place: Place) -> int:
        """The line of a place inside of the resource's view, or the nearest around it."""
        parts = (_camel(part) if self.camel and isinstance(part, str) else part for part in place)
        return self.document.line(*self.below, *parts) or 1


def is_resource(document: Document) -> bool:
    """Whether a document is one of those that `resources_in` reads."""
    return bool(document.data.keys() & {"apiVersion", "Kind", "resources"})


def resources_in(document: Document) -> Iterator[Located]:
    """The resources of a document: one of Kubernetes (or a list), a config entry, or a Pulumi program in YAML.

    Raises:
        InputError: It looks like one of these and isn't.
    """
    data = document.data
    if "apiVersion" in data:
        yield from _kubernetes(document, data)
    elif "Kind" in data:
        kind = data["Kind"]
        name = data.get("Name") or _ONLY_NAMES.get(str(kind))
        if not isinstance(kind, str) or not isinstance(name, str):
            document.fail("a config entry has a Kind and a Name, both text; write them", "Kind")
        body = {key: value for key, value in data.items() if key not in {"Kind", "Name"}}
        yield Located(of_config_entry(kind, name, body), document)
    else:
        yield from _program(document)


def _kubernetes(document: Document, data: dict[str, Any], below: Place = ()) -> Iterator[Located]:
    """An object, or those of a list, which is whatever has `items`; in a `PodList` they are pods without saying so.

    As kubectl has it (`unstructuredJSONScheme`, apimachinery/pkg/apis/meta/v1/unstructured/helpers.go).
    """
    kind = data.get("kind")
    if kind == "List" or "items" in data:
        items = data.get("items") or []
        if not isinstance(items, list):
            document.fail("'items' of a list must be a list", *below, "items")
        for i, item in enumerate(items):
            if not isinstance(item, dict):
                document.fail("an item that is no object; remove it", *below, "items", i)
            unsaid = not item.keys() & {"apiVersion", "kind"}
            own = {"apiVersion": data.get("apiVersion"), "kind": str(kind).removesuffix("List")} if unsaid else {}
            yield from _kubernetes(document, {**own, **item}, (*below, "items", i))
        return
    if not isinstance(kind, str) or not isinstance(data.get("metadata"), dict):
        document.fail("an object of Kubernetes has a kind and metadata; write them", *below, "apiVersion")
    yield _located(of_kubernetes(data), document, below)


def _program(document: Document) -> Iterator[Located]:
    resources = document.data["resources"]
    if not isinstance(resources, dict):
        document.fail("'resources' must be a map; write 'name: {type: …, properties: …}' lines below it", "resources")
    for name, given in resources.items():
        if not isinstance(given, dict) or not isinstance(given.get("type"), str):
            document.fail(f"resource '{name}' has no type; write it", "resources", name)
        properties = given.get("properties") or {}
        if not isinstance(properties, dict):
            document.fail(f"'properties' of '{name}' must be a map", "resources", name, "properties")
        below = ("resources", name, "properties")
        resource = of_pulumi(given["type"], name, properties)
        yield (
            _located(resource, document, below)
            if "kubernetes:" in given["type"]
            else Located(resource, document, below)
        )


def _located(resource: Resource, document: Document, below: Place) -> Located:
    """An entry's fields are those below its object's ``spec``, in camelCase."""
    if isinstance(resource.view, Entry | ForeignEntry):
        return Located(resource, document, (*below, "spec"), camel=True)
    return Located(resource, document, below)


def _camel(name: str) -> str:
    return re.sub(r"^[A-Z]+(?=[A-Z][a-z]|$)|^[A-Z]", lambda found: found[0].lower(), name)
