"""A YAML file read so strictly that every mistake in it can be named by its line.

YAML lets a key appear twice and the last one win; in a security file that hides a rule, so it is refused here,
and so are aliases, which can make a small file huge. Shapes are checked by pydantic models.
"""

from __future__ import annotations

import difflib
import json
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, Self, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, PrivateAttr, ValidationError
from pydantic.alias_generators import to_camel

from posture.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from pydantic_core import ErrorDetails

    Loader = yaml.SafeLoader | yaml.CSafeLoader

__all__ = ["Document", "NamedShape", "Shape", "documents_in", "nearest", "read_document", "read_documents"]

Place = tuple[str | int, ...]
ShapeT = TypeVar("ShapeT", bound="Shape")
_TOO_DEEP = "is nested too deeply; flatten it"


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


@dataclass(frozen=True)
class Document:
    """What a YAML file says and where: ``lines`` maps the place of each key and item to its line, from 1."""

    file: Path
    data: Any
    lines: dict[Place, int]

    def fail(self, message: str, *place: str | int) -> NoReturn:
        """Raise the InputError for the value at this place, or at the nearest place around it."""
        raise InputError(message, file=self.file, line=self.line(*place))

    def parse(self, shape: type[ShapeT]) -> ShapeT:
        """Check the data against a shape.

        Raises:
            InputError: The first thing wrong, by line.
        """
        try:
            # By way of JSON, because strict validation of Python data would refuse a list where a model has a tuple.
            return shape.model_validate_json(json.dumps(self.data, default=str), by_alias=True, by_name=False)
        except ValidationError as error:
            first = min(error.errors(), key=lambda detail: (_rank(detail), self.line(*_place(detail)) or 0))
            self.fail(_explain(shape, first), *_place(first))

    def line(self, *place: str | int) -> int | None:
        """The line of the value at this place, or of the nearest place around it."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place)


def read_document(file: Path) -> Document:
    """Read a YAML file that holds one mapping.

    Raises:
        InputError: The file can't be read, isn't YAML, is empty, holds an alias or the same key twice.
    """
    (document,) = _documents(_text(file), file, lambda loader: [loader.get_single_node()])
    return document


def read_documents(file: Path) -> tuple[Document, ...]:
    """Read a YAML file that holds any number of mappings, one a document, as Kubernetes' manifests do.

    Raises:
        InputError: As for one.
    """
    return documents_in(_text(file), file)


def documents_in(text: str, file: Path) -> tuple[Document, ...]:
    """The same for text that is at hand; ``file`` is what errors call it.

    Raises:
        InputError: As for a file.
    """
    return _documents(text, file, lambda loader: [node for node in _nodes(loader) if not _is_empty(node)] or [None])


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"can't be read ({error.strerror}); check the name", file=file) from None
    except UnicodeDecodeError:
        raise InputError("is not UTF-8 text; save it as UTF-8", file=file) from None


def _nodes(loader: Loader) -> Iterator[yaml.Node | None]:
    while loader.check_node():
        yield loader.get_node()


def _is_empty(node: yaml.Node | None) -> bool:
    return node is None or (isinstance(node, yaml.ScalarNode) and node.value == "" and not node.style)


def _documents(text: str, file: Path, compose: Callable[[Loader], list[yaml.Node | None]]) -> tuple[Document, ...]:
    try:
        loader, nodes = _composed(text, compose)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        tab = error.problem and "'\\t'" in error.problem
        message = "a tab; indent with spaces" if tab else f"is not YAML: {error.problem}; mend it here"
        raise InputError(message, file=file, line=mark.line + 1 if mark else None) from None
    except yaml.YAMLError as error:
        raise InputError(f"is not YAML: {str(error).splitlines()[0]}; mend it", file=file) from None
    except RecursionError:
        raise InputError(_TOO_DEEP, file=file) from None
    return tuple(_document(loader, node, file) for node in nodes)


def _composed(text: str, compose: Callable[[Loader], list[yaml.Node | None]]) -> tuple[Loader, list[yaml.Node | None]]:
    """The nodes, by libyaml where PyYAML has it: some five times as fast, but its words on mistakes say less."""
    if yaml.__with_libyaml__:
        fast = yaml.CSafeLoader(text)
        with suppress(yaml.YAMLError):
            return fast, compose(fast)
    slow = yaml.SafeLoader(text)
    return slow, compose(slow)


def _document(loader: Loader, node: yaml.Node | None, file: Path) -> Document:
    if node is None:
        raise InputError("is empty; write the file's keys, or delete it", file=file, line=1)
    reader = _Reader(loader, file)
    try:
        document = Document(file, reader.read(node, ()), reader.lines)
    except RecursionError:
        raise InputError(_TOO_DEEP, file=file) from None
    if not isinstance(document.data, dict):
        document.fail("expected a mapping of keys to values; start with 'key: value'")
    return document


def nearest(word: str, known: Iterable[str]) -> str:
    """Words for an unknown name: the nearest known one, else all of them."""
    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=1)
    if close:
        return f"did you mean '{close[0]}'?"
    return f"known: {', '.join(names)}" if names else "there are none"


class _Reader:
    """Turns YAML nodes into plain data, noting the line of every key and item on the way."""

    def __init__(self, loader: Loader, file: Path) -> None:
        self.lines: dict[Place, int] = {}
        self._loader = loader
        self._file = file
        self._seen: set[int] = set()
        self._keys: set[Place] = set()

    def read(self, node: yaml.Node, place: Place) -> Any:  # noqa: ANN401 - anything, until a Shape has checked it
        line = node.start_mark.line + 1
        self.lines.setdefault(place, line)
        if id(node) in self._seen:
            raise InputError("an alias (*name); write the value out", file=self._file, line=self.lines[place])
        self._seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            return [self.read(item, (*place, i)) for i, item in enumerate(node.value)]
        if isinstance(node, yaml.MappingNode):
            return {self._key(key, place): self.read(value, (*place, key.value)) for key, value in node.value}
        try:
            return self._loader.construct_object(node)
        except (ValueError, yaml.YAMLError):
            raise InputError(f"'{node.value}' can't be read; quote it", file=self._file, line=line) from None

    def _key(self, node: yaml.Node, place: Place) -> str:
        line = node.start_mark.line + 1
        if not isinstance(node, yaml.ScalarNode):
            raise InputError("a key must be a plain word; quote it", file=self._file, line=line)
        key = str(node.value)
        first = self.lines.setdefault((*place, key), line)
        if (*place, key) in self._keys:
            raise InputError(
                f"key '{key}' stands here twice; the first is on line {first}; remove one", file=self._file, line=line
            )
        self._keys.add((*place, key))
        return key


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
