"""A container's file system is read-only."""

from collections.abc import Iterator

from policies.examples import DEPLOYMENT
from policies.rule import Level, Problem, Rule, about
from policies.view import Workload


def judge(workload: Workload) -> Iterator[Problem]:
    for container in workload.containers:
        if container.security.get("readOnlyRootFilesystem") is not True:
            yield Problem(f"container {container.name} can write to its root file system", container.place)


RULE = Rule(
    id="CP508",
    title="Containers can't write to their own image",
    level=Level.MANDATORY,
    why="An attacker who can write there can leave something to run.",
    mend="Set readOnlyRootFilesystem to true, and mount an emptyDir where the program must write.",
    judge=about(Workload, judge),
)

ALLOWED = DEPLOYMENT

REFUSED = DEPLOYMENT.replace("readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false")
