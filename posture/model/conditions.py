"""What a request must look like for a rule to match it, with Envoy's exactness.

Every matcher was measured on Envoy 1.36.4: paths are matched without their query, regular expressions are RE2 and must
match the whole, several values of a header are joined by commas, and an inverted condition on a header that isn't there
does *not* hold (unless it is about presence).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

# RE2 is what Envoy uses; Python's `re` has other classes, flags and anchors, and no bound on its time.
import re2

from posture.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["NEGATED", "Condition", "Facts", "conditions_of", "header_condition", "path_condition"]

Test: TypeAlias = "Callable[[str], bool]"
_HEADER_KINDS = ("Exact", "Regex", "Prefix", "Suffix", "Contains", "Present")
_PATH_KINDS = {"PathExact": "Exact", "PathPrefix": "Prefix", "PathRegex": "Regex"}
_WORDS = {"Exact": "is", "Prefix": "begins with", "Suffix": "ends in", "Contains": "contains", "Regex": "matches"}
NEGATED = {
    "Exact": "is not",
    "Prefix": "doesn't begin with",
    "Suffix": "doesn't end in",
    "Contains": "doesn't contain",
    "Regex": "doesn't match",
}
"""What an inverted condition asks of a header's value, in words."""
_TESTS: dict[str, Callable[[str, str], bool]] = {
    "Exact": str.__eq__,
    "Prefix": str.startswith,
    "Suffix": str.endswith,
    "Contains": str.__contains__,
}
_QUIET = re2.Options()
_QUIET.log_errors = False


class Facts(NamedTuple):
    """A request as rules see it: normalised; ``target`` has the query, ``path`` hasn't; header names in lower case."""

    method: str
    path: str
    target: str
    headers: Mapping[str, str]

    def header(self, name: str) -> str | None:
        """A header's value, or that of one of HTTP/2's pseudo headers."""
        if name == ":path":
            return self.target
        if name == ":method":
            return self.method
        return self.headers.get("host" if name == ":authority" else name)


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing that a rule asks of a request: ``words`` reads as in "path begins with /details/"."""

    about: str
    words: str
    holds: Callable[[Facts], bool]


def conditions_of(http: Mapping[str, Any], where: str) -> tuple[Condition, ...]:
    """The conditions of a permission's ``HTTP`` part, all of which must hold.

    Raises:
        InputError: A regular expression that is not RE2. Consul takes it; Envoy refuses it and keeps its old rules.
    """
    return tuple(_conditions(http, where))


def path_condition(kind: str, value: str, where: str) -> Condition:
    """A condition on the path without its query; ``kind`` is Exact, Prefix or Regex."""
    return _path(kind, value, where if kind == "Regex" else "")


def header_condition(header: Mapping[str, Any], where: str) -> Condition:
    """A condition on a header, in the fields of an intention's ``Header``."""
    name, inverted = header["Name"].lower(), bool(header.get("Invert"))
    kind = next((kind for kind in _HEADER_KINDS if header.get(kind)), None)
    if kind is None:
        raise InputError(f"{where}: nothing is said of header '{name}', which Consul refuses; write Present or Exact")
    if kind == "Present":
        words = f"header {name} is {'absent' if inverted else 'there'}"
        return Condition(f"header {name}", words, lambda facts: (facts.header(name) is None) is inverted)
    ignore_case = bool(header.get("IgnoreCase"))
    test = _matcher(kind, header[kind], where, ignore_case=ignore_case)

    def holds(facts: Facts) -> bool:
        value = facts.header(name)
        return value is not None and test(value) is not inverted

    words = f"header {name} {f'is there and {NEGATED[kind]}' if inverted else _WORDS[kind]} {header[kind]}"
    return Condition(f"header {name}", words + (" in any case" if ignore_case else ""), holds)


def _conditions(http: Mapping[str, Any], where: str) -> Iterator[Condition]:
    for field, kind in _PATH_KINDS.items():
        if http.get(field):
            yield path_condition(kind, http[field], where)
            break
    if http.get("Methods"):
        yield _method(tuple(method.upper() for method in http["Methods"]))
    for header in http.get("Header") or ():
        yield header_condition(header, where)


# The rules of a mesh ask for the same few things; each object more is one more that is collected around.
@lru_cache(maxsize=4096)
def _path(kind: str, value: str, where: str) -> Condition:
    test = _matcher(kind, value, where, ignore_case=False)
    return Condition("path", f"path {_WORDS[kind]} {value}", lambda facts: test(facts.path))


@lru_cache(maxsize=64)
def _method(methods: tuple[str, ...]) -> Condition:
    return Condition("method", f"method {' or '.join(methods)}", lambda facts: facts.method in methods)


def _matcher(kind: str, value: str, where: str, *, ignore_case: bool) -> Test:
    if kind == "Regex":
        try:
            pattern = re2.compile(value, _QUIET)
        except re2.error as error:
            reason = error.args[0].decode() if isinstance(error.args[0], bytes) else error.args[0]
            raise InputError(f"{where}: '{value}' is no RE2 expression ({reason}); correct it") from None
        return lambda text: pattern.fullmatch(text) is not None
    wanted, test = value.lower() if ignore_case else value, _TESTS[kind]
    return (lambda text: test(text.lower(), wanted)) if ignore_case else lambda text: test(text, wanted)
