"""What a rule is, and what it finds.

A rule judges one resource or all of a stack's together. It is a pure function over the views of `policies.view`; which
level it has, and what is suppressed, is decided elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from itertools import chain
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from policies.view import Resource, Stack, View

__all__ = ["STACK", "Judge", "JudgeStack", "Level", "Options", "Place", "Problem", "Rule", "about", "either"]

STACK = "stack"
"""The resource that a problem names when it is nobody's in particular."""

Options: TypeAlias = "Mapping[str, Any]"
"""Parameters by name: whole numbers, or one of the words that the rule's ``choices`` name."""
Place: TypeAlias = "tuple[str | int, ...]"
ViewT = TypeVar("ViewT", bound="View")


class Level(StrEnum):
    """What a finding does to a preview; the words are Pulumi's."""

    MANDATORY = "mandatory"
    ADVISORY = "advisory"
    DISABLED = "disabled"


class Problem(NamedTuple):
    """What is wrong, in words that follow the resource's name; ``place`` leads to it inside of the resource's view.

    A rule over a stack says which resource it is ``on``; a problem on nothing is the whole stack's.
    """

    words: str
    place: Place = ()
    on: Resource | None = None


Judge: TypeAlias = "Callable[[Resource, Options], Iterable[Problem]]"
JudgeStack: TypeAlias = "Callable[[Stack, Options], Iterable[Problem]]"


@dataclass(frozen=True)
class Rule:
    """A rule; exactly one of ``judge`` and ``judge_stack`` is there.

    ``options`` are the parameters that a configuration may set, with their defaults. A rule that ``always`` holds is
    one that the others rely on: it can be neither disabled nor suppressed.
    """

    id: str
    title: str
    level: Level
    why: str
    mend: str
    judge: Judge | None = None
    judge_stack: JudgeStack | None = None
    options: Options = field(default_factory=lambda: MappingProxyType({}))
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    always: bool = False


def about(view: type[ViewT], judge: Callable[[ViewT], Iterable[Problem]]) -> Judge:
    """A judge of resources that are seen in this way; it has nothing to say on others."""

    def judge_resource(resource: Resource, _options: Options) -> Iterable[Problem]:
        return judge(resource.view) if isinstance(resource.view, view) else ()

    return judge_resource


def either(*judges: Judge) -> Judge:
    """A judge that has to say what any of these has."""

    def judge_resource(resource: Resource, options: Options) -> Iterable[Problem]:
        return chain.from_iterable(judge(resource, options) for judge in judges)

    return judge_resource
