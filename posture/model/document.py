"""A YAML file read so strictly that every mistake in it can be named by its line."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from posture.errors import InputError
from posture.model.yaml_reader import read_text, read_yaml

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from posture.model.yaml_reader import Place, Read

__all__ = ["Document", "documents_in", "nearest", "read_document", "read_documents"]


@dataclass(frozen=True)
class Document:
    """What a YAML file says and where: ``lines`` maps the place of each key and item to its line, from 1."""

    file: Path
    data: Any
    lines: dict[Place, int]

    def fail(self, message: str, *place: str | int) -> NoReturn:
        """Raise the InputError for the value at this place, or at the nearest place around it."""
        raise InputError(message, file=self.file, line=self.line(*place))

    def line(self, *place: str | int) -> int | None:
        """The line of the value at this place, or of the nearest place around it."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place)

    def check_filled(self) -> None:
        """Refuse a key or an item without a value, as is left when all below it is commented out.

        To pydantic it is an optional value that isn't there, and that may open: no permissions are any request.
        """
        for place in self.lines:
            value = self.data
            for part in place:
                value = value[part]
            if value is None:
                key = next((part for part in reversed(place) if isinstance(part, str)), "")
                self.fail(f"'{key}' is empty; write its value, or remove it", *place)


def read_document(file: Path) -> Document:
    """Read a YAML file that holds one mapping.

    Raises:
        InputError: The file can't be read, isn't YAML, is empty, holds an alias or the same key twice.
    """
    found = read_yaml(read_text(file), file)
    if len(found) > 1:
        raise InputError("holds several documents (---); keep one", file=file)
    return _document(found[0], file)


def read_documents(file: Path) -> tuple[Document, ...]:
    """Read a YAML file that holds any number of mappings, one a document, as Kubernetes' manifests do.

    Raises:
        InputError: As for one.
    """
    return documents_in(read_text(file), file)


def documents_in(text: str, file: Path) -> tuple[Document, ...]:
    """The same for text that is at hand; ``file`` is what errors call it.

    Raises:
        InputError: As for a file.
    """
    found: list[Read | None] = [each for each in read_yaml(text, file) if each]
    return tuple(_document(each, file) for each in found or [None])


def _document(read: Read | None, file: Path) -> Document:
    if read is None:
        raise InputError("is empty; write the file's keys, or delete it", file=file, line=1)
    document = Document(file, read.data, read.lines)
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
