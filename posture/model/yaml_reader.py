"""YAML as plain data with the line of all that is in it, in bounded time and memory whatever the text is.

YAML lets a key appear twice and the last one win; in a security file that hides a rule, so it is refused here. So are
aliases and merge keys, which can make a small file huge, and tags, which can make a value of any kind. Nothing here
recurses: libyaml's own composer does, and ends the process (SIGSEGV) on a text that is nested deeply enough.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import yaml

from posture.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    Loader = yaml.SafeLoader | yaml.CSafeLoader

__all__ = ["DEEPEST", "MOST_BYTES", "MOST_VALUES", "Place", "Read", "read_text", "read_yaml"]

Place = tuple[str | int, ...]

MOST_BYTES = 4 * 1024 * 1024
MOST_VALUES = 250_000
"""In a file. A thousand services with their calls and grants are some 50,000."""
DEEPEST = 100

_WORTH_BETTER_WORDS = 100_000
"""Characters of a text with a mistake that PyYAML's own parser, which says more and is slow, is asked about."""
_LONGEST_NUMBER = 100
_TAG = "tag:yaml.org,2002:"
_TYPED = {f"{_TAG}{kind}" for kind in ("bool", "int", "float")}


@dataclass(frozen=True)
class Read:
    """A document: its data, and the line of each key and item by its place, from 1."""

    data: Any
    lines: dict[Place, int]


def read_text(file: Path) -> str:
    """The text of a file, or of a pipe that has a writer.

    Raises:
        InputError: It can't be read, is no file, is too large or not UTF-8.
    """
    try:
        handle = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe without a writer is an empty one
        with os.fdopen(handle, "rb") as stream:
            mode = os.fstat(handle).st_mode
            if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
                raise InputError("is a device; name a file", file=file)
            os.set_blocking(handle, True)
            content = stream.read(MOST_BYTES + 1)
    except OSError as error:
        raise InputError(f"can't be read ({error.strerror}); check the name", file=file) from None
    if len(content) > MOST_BYTES:
        raise InputError(f"is larger than {MOST_BYTES // 1024**2} MiB; split it", file=file)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError("is not UTF-8 text; save it as UTF-8", file=file) from None


def read_yaml(text: str, file: Path) -> list[Read | None]:
    """The documents of a text, None for an empty one; ``file`` is what errors call it.

    Raises:
        InputError: It isn't YAML, holds what is refused here, or more than there is room for.
    """
    if not yaml.__with_libyaml__:
        return _Reader(yaml.SafeLoader(text), file).documents()
    try:
        return _Reader(yaml.CSafeLoader(text), file).documents()  # some ten times as fast
    except yaml.YAMLError as error:
        mistake = error
    try:
        if len(text) <= _WORTH_BETTER_WORDS:
            _Reader(yaml.SafeLoader(text), file).documents()
    except yaml.YAMLError as error:
        mistake = error
    raise _refusal(mistake, file)


def _refusal(error: yaml.YAMLError, file: Path) -> InputError:
    if not isinstance(error, yaml.MarkedYAMLError):
        return InputError(f"is not YAML: {str(error).splitlines()[0]}; mend it", file=file)
    mark = error.problem_mark or error.context_mark
    tab = error.problem and "'\\t'" in error.problem
    message = "a tab; indent with spaces" if tab else f"is not YAML: {error.problem}; mend it here"
    return InputError(message, file=file, line=mark.line + 1 if mark else None)


@dataclass(slots=True)
class _Open:
    """A list or a map whose end hasn't come yet; ``key`` is that of the map's next value."""

    into: list[Any] | dict[str, Any]
    place: Place
    key: str | None = None


class _Reader:
    """Builds the data of one text from the parser's events."""

    def __init__(self, loader: Loader, file: Path) -> None:
        self._loader = loader
        self._file = file
        self._values = 0
        self._open: list[_Open] = []
        self._lines: dict[Place, int] = {}

    def documents(self) -> list[Read | None]:
        found: list[Read | None] = []
        for event in self._events():
            if isinstance(event, yaml.DocumentStartEvent):
                self._lines = {}
                found.append(None)
            elif isinstance(event, yaml.CollectionEndEvent):
                self._open.pop()
            elif isinstance(event, yaml.NodeEvent):
                is_root = not self._open
                data = self._node(event)
                if is_root and not _is_empty(event):
                    found[-1] = Read(data, self._lines)
        return found or [None]

    def _events(self) -> Iterator[Any]:
        while self._loader.check_event():
            yield self._loader.get_event()

    def _node(self, event: Any) -> Any:  # noqa: ANN401 - the types of events lack half of what they have
        """Put a value where it belongs, or note a key."""
        line = event.start_mark.line + 1
        self._check(event, line)
        around = self._open[-1] if self._open else None
        if around and isinstance(around.into, dict) and around.key is None:
            self._key(event, around, line)
            return None
        place: Place = ()
        if around:
            place = (*around.place, len(around.into) if around.key is None else around.key)
        self._lines.setdefault(place, line)
        data: Any
        if isinstance(event, yaml.ScalarEvent):
            data = self._scalar(event, line)
        else:
            data = [] if isinstance(event, yaml.SequenceStartEvent) else {}
            self._open.append(_Open(data, place))
        if around and isinstance(around.into, dict) and around.key is not None:
            around.into[around.key] = data
            around.key = None
        elif around and isinstance(around.into, list):
            around.into.append(data)
        return data

    def _check(self, event: Any, line: int) -> None:  # noqa: ANN401 - as above
        self._values += 1
        if isinstance(event, yaml.AliasEvent):
            self._refuse("an alias (*name); write the value out", line)
        if event.tag is not None:
            self._refuse(f"a tag ({event.tag}); remove it, and quote what is text", line)
        if len(self._open) > DEEPEST:
            self._refuse("is nested too deeply; flatten it", line)
        if self._values > MOST_VALUES:
            self._refuse(f"more than {MOST_VALUES:,} values; split the file", line)

    def _key(self, event: yaml.NodeEvent, around: _Open, line: int) -> None:
        if not isinstance(event, yaml.ScalarEvent):
            self._refuse("a key must be a plain word; quote it", line)
        key = self._text(event, line)
        if key == "<<" and not event.style:
            self._refuse("a merge key (<<); write the values out", line)
        first = self._lines.setdefault((*around.place, key), line)
        if key in around.into:
            self._refuse(f"key '{key}' stands here twice; the first is on line {first}; remove one", line)
        around.key = key

    def _scalar(self, event: yaml.ScalarEvent, line: int) -> Any:  # noqa: ANN401 - any YAML value
        """A value; a date stays the text that it is, as for Kubernetes."""
        text = self._text(event, line)
        tag = self._loader.resolve(yaml.ScalarNode, text, event.implicit)  # type: ignore[no-untyped-call]
        if tag == f"{_TAG}null":
            return None
        if tag not in _TYPED:
            return text
        try:
            value = self._loader.construct_object(yaml.ScalarNode(tag, text)) if len(text) <= _LONGEST_NUMBER else None
        except ValueError:
            value = None
        if value is None:
            self._refuse(f"'{text}' can't be read; quote it", line)
        return value

    def _text(self, event: yaml.ScalarEvent, line: int) -> str:
        try:
            event.value.encode()
        except UnicodeEncodeError:
            self._refuse(
                "half a character (a surrogate), of which JSON makes pairs and YAML doesn't; write it as it is", line
            )
        return str(event.value)

    def _refuse(self, message: str, line: int) -> NoReturn:
        raise InputError(message, file=self._file, line=line)


def _is_empty(event: yaml.NodeEvent) -> bool:
    return isinstance(event, yaml.ScalarEvent) and event.value == "" and not event.style
