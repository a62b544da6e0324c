"""A regular expression is there to say less than everything."""

from collections.abc import Iterator

import re2

from policies.examples import READER
from policies.intention import permissions
from policies.rule import Level, Problem, Rule, about
from posture.model.entry import Entry

_QUIET = re2.Options()
_QUIET.log_errors = False
_ANYTHING = ("/q7", "/q7/x-9/k.w", "/~z/%C3%A9/0")
"""Paths that nobody serves: an expression that matches them all was not written for any."""


def judge(entry: Entry) -> Iterator[Problem]:
    for place, permission in permissions(entry):
        pattern = (permission.get("HTTP") or {}).get("PathRegex")
        if not pattern:
            continue
        try:
            expression = re2.compile(pattern, _QUIET)
        except re2.error:
            words = f"'{pattern}' is no RE2 expression: Envoy refuses it and keeps the rules it had"
            yield Problem(words, (*place, "HTTP", "PathRegex"))
            continue
        if permission.get("Action") == "allow" and all(expression.fullmatch(path) for path in _ANYTHING):
            yield Problem(f"'{pattern}' matches any path", (*place, "HTTP", "PathRegex"))


RULE = Rule(
    id="CP204",
    title="No regular expression matches every path",
    level=Level.MANDATORY,
    why="It looks like a restriction and is none.",
    mend="Write what the caller needs, or leave the path out where it may have any.",
    judge=about(Entry, judge),
)

ALLOWED = READER.replace("PathPrefix: /details/", 'PathRegex: "/details/[0-9]+"')

REFUSED = READER.replace("PathPrefix: /details/", 'PathRegex: "/.*"')
