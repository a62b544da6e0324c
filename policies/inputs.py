"""A resource's inputs as the engine hands them over, freed of what is not data: unknown values and secrets.

It hands them to a policy pack, or writes them to its log of events, which leaves out what is in secrets.

Measured with 1.21.0 of the SDK: a value that a preview doesn't know comes as one of seven texts that stand for a type,
and a rule that reads it is dropped with an *advisory* word, whatever its level. So unknowns are looked for here, and
`known` says where one stands.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from policies.view import Plain

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["UNKNOWN", "NotKnownError", "Secret", "bare", "hidden", "known", "logged", "plain_texts", "unveiled"]

_JSON = frozenset({"configJson", "extraConfig"})
"""Fields that hold a map as text: a config entry's body, and in Consul's chart an agent's configuration."""

_IN_LOG = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
_SIGNATURE, _SECRET = "4dabf18193072939515e22adb298388d", "1b47061264138c4ac30d75fd1eb44270"
_ELIDED = re.compile(r"\[secret\]|\[credential\]|\A<contents elided>\Z")
"""What a log of events has for an unknown value, what marks a secret, and what stands for a secret of the configuration
or a text asset (pulumi/pkg and sdk 3.259.0, `computedValuePlaceholder`, `SecretSig`, `filterPropertyValue`)."""


@dataclass(frozen=True)
class _Unknown:
    """A value that isn't there, and why."""

    why: str


UNKNOWN: Final = _Unknown("is not known yet")
_LEFT_OUT: Final = _Unknown("holds what the engine's log leaves out, such as a secret")


@dataclass(frozen=True)
class Secret:
    """A value that Pulumi encrypts; it shows itself to nobody."""

    value: Any = field(repr=False)


class NotKnownError(Exception):
    """What is needed is not known in this preview; ``args[0]`` says where it is missing, and why."""


def known(value: Any, *place: str | int) -> Any:  # noqa: ANN401 - any input
    """The value at a place, unveiled; None where there is none.

    Raises:
        NotKnownError: It, something in it, or something on the way to it is not known.
    """
    here = value
    for i, part in enumerate(place):
        here = bare(here, place[:i])
        if not isinstance(here, dict):
            return None
        here = here.get(part)
    for where, missing in _unknowns(here, place):
        raise _not_known(where, missing)
    return unveiled(here)


def bare(value: Any, place: tuple[str | int, ...]) -> Any:  # noqa: ANN401 - any input
    """The value at a place without its own mark of a secret; what is in it stays as it is.

    Raises:
        NotKnownError: It is not known.
    """
    while isinstance(value, Secret):
        value = value.value
    if isinstance(value, _Unknown):
        raise _not_known(place, value)
    return value


def unveiled(value: Any) -> Any:  # noqa: ANN401 - any input
    """The same without the marks of secrets."""
    if isinstance(value, Secret):
        return unveiled(value.value)
    if isinstance(value, dict):
        return {key: unveiled(each) for key, each in value.items()}
    if isinstance(value, list):
        return [unveiled(each) for each in value]
    return value


def logged(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """A value of the engine's log of events, with these marks in it."""
    if isinstance(value, dict):
        if value.get(_SIGNATURE) == _SECRET:
            return Secret(_LEFT_OUT)
        return {key: logged(each) for key, each in value.items()}
    if isinstance(value, list):
        return [logged(each) for each in value]
    if value == _IN_LOG:
        return UNKNOWN
    return _LEFT_OUT if isinstance(value, str) and _ELIDED.search(value) else value


def hidden(value: Any) -> Any:  # noqa: ANN401 - any input
    """The same with what isn't known marked as secret."""
    if isinstance(value, _Unknown):
        return Secret(value)
    if isinstance(value, dict):
        return {key: hidden(each) for key, each in value.items()}
    if isinstance(value, list):
        return [hidden(each) for each in value]
    return value


def plain_texts(value: Any, place: tuple[str | int, ...] = ()) -> Iterator[Plain]:  # noqa: ANN401 - any input
    """The texts that are not in a secret, in JSON or not, and what isn't known; an environment variable by its name."""
    if isinstance(value, _Unknown):
        yield Plain(place, None)
    elif isinstance(value, str):
        yield from _in_json(value, place) if place and place[-1] in _JSON else (Plain(place, value),)
    elif isinstance(value, dict) and value.keys() == {"name", "value"} and isinstance(value["name"], str):
        yield from plain_texts(value["value"], (*place, value["name"]))
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from plain_texts(each, (*place, key))
    elif isinstance(value, list):
        for i, each in enumerate(value):
            yield from plain_texts(each, (*place, i))


def _in_json(text: str, place: tuple[str | int, ...]) -> list[Plain]:
    try:
        found = json.loads(text)
        return list(plain_texts(found, place)) if isinstance(found, dict) else [Plain(place, text)]
    except (ValueError, RecursionError):
        return [Plain(place, text)]


def _not_known(place: tuple[str | int, ...], missing: _Unknown) -> NotKnownError:
    return NotKnownError(f"{'.'.join(map(str, place))} {missing.why}")


def _unknowns(value: Any, place: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], _Unknown]]:  # noqa: ANN401
    if isinstance(value, _Unknown):
        yield place, value
    elif isinstance(value, Secret):
        yield from _unknowns(value.value, place)
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from _unknowns(each, (*place, key))
    elif isinstance(value, list):
        for i, each in enumerate(value):
            yield from _unknowns(each, (*place, i))
