"""Where paths decide, there is a mesh entry that normalises them."""

from collections.abc import Iterator

from policies.examples import MESH, READER
from policies.intention import permissions
from policies.rule import Level, Options, Problem, Rule
from policies.view import Stack
from posture.model.entry import Kind

_PATHS = ("PathExact", "PathPrefix", "PathRegex")


def judge(stack: Stack, _options: Options) -> Iterator[Problem]:
    if any(stack.entries(Kind.MESH)):
        return
    for resource, entry in stack.entries(Kind.SERVICE_INTENTIONS):
        for place, permission in permissions(entry):
            if any((permission.get("HTTP") or {}).get(field) for field in _PATHS):
                yield Problem("decides by path, and no mesh entry normalises paths", place, resource)
                break


RULE = Rule(
    id="CP202",
    title="A mesh entry is there where paths decide",
    level=Level.MANDATORY,
    why="Without a mesh entry Consul's defaults hold, and with them '/details/..%2fadmin' passes a rule for /details/.",
    mend="Add a mesh entry with RequestNormalization; CP201 says what it needs.",
    judge_stack=judge,
)

ALLOWED = f"{MESH}---{READER}"

REFUSED = READER
