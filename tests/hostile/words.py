"""Values that nobody hopes for, and documents with one of them somewhere."""

from __future__ import annotations

import copy
import json
import os
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import hypothesis.strategies as st
from hypothesis import HealthCheck, Phase, settings

__all__ = ["ARGUMENTS", "BOMBS", "PROFILE", "RAW", "TEXTS", "VALUES", "Raw", "broken", "hostile", "written"]

_LONG = bool(os.environ.get("HOSTILE_LONG"))


def PROFILE(examples: int) -> settings:  # noqa: N802 - stands where Hypothesis' own `settings` would
    """Few examples that are always the same; with HOSTILE_LONG, as `make hostile` sets it, more by a seed."""
    return settings(
        max_examples=examples * (4 if _LONG else 1),
        derandomize=not _LONG,
        deadline=None,
        database=None,
        print_blob=True,
        phases=(Phase.explicit, Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )


TEXTS = [
    "",
    " ",
    "../../etc/passwd",
    "/etc/passwd",
    "..",
    "-rf",
    "--help",
    "a\nb",
    "a\r\nSet-Cookie: x=1",
    "\0",
    "\x1b[2J\x1b]0;owned\x07",
    "\u202egnp.exe",
    "e\u0301\u0301\u0301",
    "\ufeff",
    "\u2028",
    "💥" * 50,
    "=cmd|' /C calc'!A0",
    "@SUM(1+1)",
    "$(touch owned)",
    "`touch owned`",
    "';touch owned;'",
    '"; os.execute("touch owned") --',
    "]]; os.execute('touch owned') --[[",
    '" } service "x" { policy = "write"',
    "%(here)s",
    "%",
    "${jndi:ldap://x}",
    "{{ 7 * 7 }}",
    "{0.__class__}",
    "<script>alert(1)</script>",
    "]]><!--",
    "--><!ENTITY x SYSTEM 'file:///etc/passwd'>",
    "| a | b |\n|---|---|",
    "``` \\| @everyone [x](javascript:alert(1))",
    '"]; x -> y; "',
    "[bold red]x[/] [/nope]",
    "null",
    "true",
    "NaN",
    "0o17",
    "1:30:00",
    "2026-02-30",
    "🅰️\U000e0041",
    "x" * 5_000,
    "(a+)+$",
    "(" * 300,
    "\\",
]
NUMBERS: list[Any] = [0, -1, 1 << 63, 10**60, -(10**60), 1e308, 1e-320, 0.1 + 0.2]
VALUES: list[Any] = [*TEXTS, *NUMBERS, None, True, False, [], {}, [[]], [{}], [None], {"": ""}, {"a": {"b": []}}]


@dataclass(frozen=True)
class Raw:
    """YAML as it stands."""

    text: str


RAW = [
    *(Raw(text) for text in (".inf", "-.inf", ".nan", "1.0e+999", "0x" + "f" * 5000, "0b" + "1" * 5000, "0_", "0x_")),
    *(Raw(text) for text in ("9" * 5000, "1" + ":59" * 5000, "0777", "0o17", "1:30", "yes", "off", "~", "=", "<<")),
    *(Raw(text) for text in ("2026-02-30", "2001-12-14t21:59:43.10-05:00", "0001-01-01 00:00:00 +23:59", "2026-1-1")),
    *(Raw(text) for text in ("!!python/object/apply:os.system ['touch owned']", "!!python/name:os.system", "!x y")),
    *(Raw(text) for text in ('!!int ""', '!!float ""', '!!bool "x"', '!!timestamp "x"', '!!binary "?"', "!!set {a}")),
    *(Raw(text) for text in ("!!omap [a: 1]", "!!null x", "!!str 5", "&a [*a]", "&a {<<: *a}", "*nowhere", "&x 1")),
    *(Raw(text) for text in ("{<<: {a: 1}}", "{<<: [{a: 1}, {b: 2}]}", "{? [a]: 1}", "{? {a: 1} : 1}", "{a, a}")),
    *(Raw(text) for text in ('"\\ud800"', '"\\0"', '"\\x1b[2J"', '"\\U0010ffff"', '"\\/"', '"\\ud83d\\udca5"')),
    *(Raw("[" * depth + "]" * depth) for depth in (90, 101, 1_000, 50_000)),
    *(Raw("{a: " * depth + "1" + "}" * depth) for depth in (90, 1_000, 20_000)),
    Raw("[" + "{}," * 30_000 + "]"),
    Raw("{" + ",".join(f"k{i}: {i}" for i in range(20_000)) + "}"),
    Raw('"' + "x" * 1_000_000 + '"'),
]


_PAIR = re.compile(r"\\ud[89ab]..\\ud[c-f]..")
"""As JSON writes what is beyond 16 bits; YAML doesn't read it."""


def _laughs(key: str, levels: int, of: str) -> str:
    lines = [f"{key}0: &{key}0 {of}"]
    lines += [f"{key}{i}: &{key}{i} [{', '.join([f'*{key}{i - 1}'] * 9)}]" for i in range(1, levels)]
    return "\n".join(lines) + "\n"


def _merges(levels: int) -> str:
    lines = ["m0: &m0 {a: 1, b: 2}"]
    lines += [f"m{i}: &m{i} {{<<: [{', '.join([f'*m{i - 1}'] * 9)}]}}" for i in range(1, levels)]
    return "\n".join(lines) + "\n"


BOMBS: dict[str, bytes] = {
    "a billion laughs": _laughs("l", 12, "[lol]").encode(),
    "a billion merges": _merges(12).encode(),
    "brackets": b"description: " + b"[" * 1_000_000,
    "braces": b"description: " + b"{a: " * 300_000,
    "dashes": b"- " * 500_000 + b"a",
    "question marks": b"? " * 500_000 + b"a",
    "ever deeper": b"".join(b" " * i + b"a:\n" for i in range(1_500)),
    "very many values": b"description: [" + b"1," * 1_500_000 + b"]",
    "very many keys": b"".join(b"k%d: 1\n" % i for i in range(300_000)),
    "very many documents": b"---\na: 1\n" * 200_000,
    "very many grants": b"description: x\ngrants:\n"
    + b"".join(b"- {name: g%d, from: reviews, to: ratings}\n" % i for i in range(20_000)),
    "more than there is room for": b"description: " + b"x" * 5_000_000,
    "a very long key": b"x" * 3_000_000 + b": 1\n",
    "a mistake at the end": b"description: x\n" + b"a: [1, 2, {b: c}]\n" * 60_000 + b"\t- x\n",
    "a number in sixties": b"description: 1" + b":59" * 400_000,
    "a number in hex": b"description: 0x" + b"f" * 3_000_000,
    "anchors": b"".join(b"k%d: &a%d x\n" % (i, i) for i in range(50_000)),
    "tag directives": b"".join(b"%%TAG !t%d! tag:x,2002:\n" % i for i in range(20_000)) + b"---\na: 1\n",
    "NULs": b"\0" * 1_000_000,
    "UTF-16": "description: x\n".encode("utf-16"),
    "UTF-32": "description: x\n".encode("utf-32"),
    "Latin-1": "description: ä\n".encode("latin-1"),
    "half a character": b"description: \xe2\x82",
    "a surrogate in UTF-8": b"description: \xed\xa0\x80",
    "nothing": b"",
    "an end of a document": b"...\n",
    "three documents": b"---\n---\n---\n",
    "a byte order mark": b"\xef\xbb\xbf",
    "line ends of old": b"description: x\rgrants: []\r",
    "escapes": b'description: "\\e[2J\\0\\a"\n"\\e]0;x\\a": 1\n',
}
"""Whole files that are small, or small enough, and would not be when read."""

ARGUMENTS = st.one_of(
    st.sampled_from([text for text in TEXTS if "\0" not in text]),
    st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), max_size=30),
    st.binary(max_size=20).map(lambda given: given.replace(b"\0", b"").decode(errors="surrogateescape")),
)
"""What an operating system can hand over as an argument: any bytes but NUL."""


def written(value: Any) -> str:
    """A value as YAML in flow style, one line for each key at the top."""
    if isinstance(value, dict):
        return "\n".join(f"{_flow(key)}: {_flow(each)}" for key, each in value.items()) + "\n"
    return _flow(value)


def _flow(value: Any) -> str:
    if isinstance(value, Raw):
        return value.text
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_flow(key)}: {_flow(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    if isinstance(value, str):
        return re.sub(_PAIR, lambda pair: f"\\U{ord(json.loads(chr(34) + pair[0] + chr(34))):08x}", json.dumps(value))
    return json.dumps(value).replace("Infinity", ".inf").replace("NaN", ".nan")


def hostile(document: dict[str, Any], kept: frozenset[tuple[Any, ...]] = frozenset()) -> st.SearchStrategy[str]:
    """A document, as YAML, in which one or two things are what nobody hopes for; those at ``kept`` stay."""
    spots = [place for place in _places(document) if place not in kept]
    change = st.tuples(
        _one_of(spots),
        st.one_of(_one_of(VALUES), _one_of(RAW), st.text(max_size=20), st.floats(), st.integers()),
        st.sampled_from(["value", "value", "value", "key", "more", "twice"]),
    )
    return st.lists(change, min_size=1, max_size=2).map(lambda changes: written(_changed(document, changes)))


def _one_of(values: list[Any]) -> st.SearchStrategy[Any]:
    """One of these, by its number: Hypothesis would write all of them into what it says of a strategy."""
    return st.integers(0, len(values) - 1).map(values.__getitem__)


def broken(text: str) -> st.SearchStrategy[bytes]:
    """A text of which a part is gone, or in which there are other bytes."""
    content = text.encode()
    place = st.integers(0, len(content))
    cut = st.tuples(place, place, st.binary(max_size=8)).map(
        lambda each: content[: min(each[:2])] + each[2] + content[max(each[:2]) :]
    )
    marks = st.sampled_from([b"\t", b"\r", b"\0", b"\xff", b"*a", b"&a ", b"!!x ", b"<<: ", b"- ", b": ", b"[", b"}"])
    put = st.tuples(place, marks).map(lambda each: content[: each[0]] + each[1] + content[each[0] :])
    return st.one_of(cut, put)


def _places(value: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    here = [place] if place else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return here + [each for key, inner in items for each in _places(inner, (*place, key))]


def _changed(document: dict[str, Any], changes: list[tuple[tuple[Any, ...], Any, str]]) -> dict[str, Any]:
    document = copy.deepcopy(document)
    for place, value, how in changes:
        here: Any = document
        *above, last = place
        with suppress(LookupError, TypeError):  # the change before has taken the place away
            for part in above:
                here = here[part]
            here[last]
            if isinstance(here, list):
                here[last] = value
                continue
            key = value if isinstance(value, str | Raw) else str(value)
            if how == "key":
                here[key] = here.pop(last)
            elif how == "more":
                here[key] = value
            elif how == "twice":
                here[Raw(_flow(last))] = value
            else:
                here[last] = value
    return document
