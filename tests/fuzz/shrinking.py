"""Makes a case small. Hypothesis could, but it tries hundreds of cases, and each takes a mesh a quarter of a second."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from posture.local.errors import MeshError
from tests.fuzz.cases import Case

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["shrink"]


def shrink(case: Case, fails: Callable[[Case], bool]) -> Case:
    """A case that still fails, from which nothing can be left out without that it stops failing.

    Args:
        case: One that fails.
        fails: Whether another does; what Consul refuses doesn't.
    """
    least = case.json
    tried = iter(_smaller(least))
    while (found := next(tried, None)) is not None:
        try:
            if fails(Case.from_json(found)):
                least, tried = found, iter(_smaller(found))
        except (AssertionError, LookupError, TypeError, ValueError, MeshError):  # left out what has to be there
            continue
    return Case.from_json(least)


def _smaller(value: Any) -> Iterator[Any]:
    """All values that are this one but for one thing that is left out, the largest things first."""
    if isinstance(value, str):
        yield from (value[:i] + value[i + 1 :] for i in range(len(value)))
    elif isinstance(value, dict):
        yield from ({name: each for name, each in value.items() if name != key} for key in value)
        for key, each in value.items():
            if key == "method" and each != "GET":
                yield {**value, key: "GET"}
            elif key == "path" or not isinstance(each, str):  # other texts are names
                yield from ({**value, key: less} for less in _smaller(each))
    elif isinstance(value, list | tuple):
        yield from ([*value[:i], *value[i + 1 :]] for i in range(len(value)))
        for i, each in enumerate(value):
            yield from ([*value[:i], less, *value[i + 1 :]] for less in _smaller(each))
