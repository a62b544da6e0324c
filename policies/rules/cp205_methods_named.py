"""An allow says which methods."""

from collections.abc import Iterator

from policies.examples import READER
from policies.intention import allows
from policies.rule import Level, Problem, Rule, about
from posture.model.entry import Entry


def judge(entry: Entry) -> Iterator[Problem]:
    for allow in allows(entry):
        if allow.http is not None and not allow.http.get("Methods"):
            yield Problem(f"allows {allow.source} every method", allow.place)


RULE = Rule(
    id="CP205",
    title="A permission that allows names its methods",
    level=Level.ADVISORY,
    why="Without methods a caller that should read may also write and delete.",
    mend="Name the methods, such as Methods: [GET].",
    judge=about(Entry, judge),
)

ALLOWED = READER

REFUSED = READER.replace("[GET]", "[]")
