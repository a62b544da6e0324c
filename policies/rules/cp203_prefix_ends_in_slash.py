"""A prefix is one of whole segments."""

from collections.abc import Iterator

from policies.examples import READER
from policies.intention import permissions
from policies.rule import Level, Problem, Rule, about
from posture.model.entry import Entry


def judge(entry: Entry) -> Iterator[Problem]:
    for place, permission in permissions(entry):
        prefix = (permission.get("HTTP") or {}).get("PathPrefix")
        if prefix and not prefix.endswith("/"):
            yield Problem(f"prefix {prefix} also matches {prefix}X", (*place, "HTTP", "PathPrefix"))


RULE = Rule(
    id="CP203",
    title="A path prefix ends in a slash",
    level=Level.MANDATORY,
    why="Envoy compares text: the prefix /details matches /details-of-users.",
    mend="End the prefix in /, and add a permission with PathExact where the bare path is needed, too.",
    judge=about(Entry, judge),
)

ALLOWED = READER

REFUSED = READER.replace("/details/", "/details")
