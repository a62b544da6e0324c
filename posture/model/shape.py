"""The shape of what a file says: pydantic models, and what is wrong in the words of somebody who edits the file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict, PrivateAttr, ValidationError
from pydantic.alias_generators import to_camel

from posture.model.document import nearest

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from posture.model.document import Document
    from posture.model.yaml_reader import Place

__all__ = ["NamedShape", "Shape", "parse"]

ShapeT = TypeVar("ShapeT", bound="Shape")


class Shape(BaseModel):
    """Base of what can be written in a file: immutable, strict about types, no unknown keys, camelCase keys."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", alias_generator=to_camel, validate_by_name=True)


class NamedShape(Shape):
    """A shape that is a whole file; its name is the file's, and not a key in it."""

    _name: str = PrivateAttr("")

    @property
    def name(self) -> str:
        """The file's name without its ending."""
        return self._name

    def named(self, name: str) -> Self:
        """The same with this name."""
        copy = self.model_copy()
        copy._name = name  # noqa: SLF001 - of the same class
        return copy


def parse(document: Document, shape: type[ShapeT]) -> ShapeT:
    """Check what a document says against a shape.

    Raises:
        InputError: The first thing wrong, by line.
    """
    try:
        # By way of JSON, because strict validation of Python data would refuse a list where a model has a tuple.
        return shape.model_validate_json(json.dumps(document.data), by_alias=True, by_name=False)
    except ValidationError as error:
        first = min(error.errors(), key=lambda detail: (_rank(detail), document.line(*_place(detail)) or 0))
        document.fail(_explain(shape, first), *_place(first))


def _rank(detail: ErrorDetails) -> int:
    """A misspelt key makes the right one missing, and a bad item makes its list too short: name the cause first."""
    return {"extra_forbidden": 0, "missing": 2, "too_short": 2}.get(detail["type"], 1)


def _place(detail: ErrorDetails) -> Place:
    return tuple(part for part in detail["loc"] if part != "[key]")


_WORDS = {
    "missing": "'{key}' is missing; add it",
    "string_type": "'{key}' must be text, not {given}; quote it or correct it",
    "int_type": "'{key}' must be a whole number, not {given}; correct it",
    "float_type": "'{key}' must be a number, not {given}; correct it",
    "finite_number": "'{key}' must be a finite number; correct it",
    "bool_type": "'{key}' must be true or false, not {given}; correct it",
    "tuple_type": "'{key}' must be a list, not {given}; start each item with '- '",
    "dict_type": "'{key}' must be a map, not {given}; write 'key: value' lines below it",
    "model_type": "'{key}' must be a map, not {given}; write 'key: value' lines below it",
    "greater_than_equal": "'{key}' must be at least {ge}, not {input}; raise it",
    "less_than_equal": "'{key}' must be at most {le}, not {input}; lower it",
    "too_short": "'{key}' must not be empty; add an item or remove the key",
    "literal_error": "'{key}' is '{input}'; it must be {expected}",
    "string_pattern_mismatch": "'{input}' is no valid '{key}'; it must match {pattern}",
}
_KINDS = {dict: "a map", list: "a list", str: "text", bool: "true or false", type(None): "empty"}


def _explain(shape: type[Shape], detail: ErrorDetails) -> str:
    """Say what pydantic found wrong in the words of somebody who edits the file."""
    place, given = _place(detail), detail["input"]
    key = next((str(part) for part in reversed(place) if isinstance(part, str)), "the file")
    if detail["type"] == "extra_forbidden":
        return f"unknown key '{key}'; {nearest(key, _known_keys(shape, place[:-1]))}"
    if detail["type"] == "value_error":
        return str(detail["ctx"]["error"])
    words = _WORDS.get(detail["type"])
    if words is None:
        return f"'{key}': {detail['msg'].lower()}; correct it"
    return words.format(key=key, input=given, given=_KINDS.get(type(given), repr(given)), **(detail.get("ctx") or {}))


def _known_keys(shape: type[Shape], place: Place) -> list[str]:
    """The keys that a file may have at a place, read from the shape's JSON Schema."""
    schema = shape.model_json_schema(by_alias=True)
    here: dict[str, Any] = schema
    for part in place:
        if isinstance(part, int):
            here = here["items"]
        else:
            of_any_name = here.get("patternProperties", {}).values()  # how a map with constrained keys is written
            here = here.get("properties", {}).get(part) or next(iter(of_any_name), {})
        for option in (here, *here.get("anyOf", [])):
            if "$ref" in option:
                here = schema["$defs"][option["$ref"].rsplit("/", 1)[1]]
            elif option.get("type") in {"array", "object"}:
                here = option
    return list(here.get("properties", {}))
