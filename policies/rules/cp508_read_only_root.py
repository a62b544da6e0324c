"""A container's file system is read-only."""

from collections.abc import Iterator

from policies.examples import DEPLOYMENT
from policies.helm import named
from policies.rule import Level, Problem, Rule, about, either
from policies.view import Release, Workload


def of_pods(workload: Workload) -> Iterator[Problem]:
    for container in workload.containers:
        if container.security.get("readOnlyRootFilesystem") is not True:
            yield Problem(f"container {container.name} can write to its root file system", container.place)


def of_release(release: Release) -> Iterator[Problem]:
    """A context in the values takes the place of the chart's own, whose root file system is read-only."""
    for place, contexts in named(release, "containerSecurityContext"):
        for name, context in contexts.items() if isinstance(contexts, dict) else ():
            if context and not (isinstance(context, dict) and context.get("readOnlyRootFilesystem") is True):
                where = (*place, name)
                words = f"has a container that can write to its root file system: {'.'.join(map(str, where))}"
                yield Problem(words, where)


RULE = Rule(
    id="CP508",
    title="Containers can't write to their own image",
    level=Level.MANDATORY,
    why="An attacker who can write there can leave something to run.",
    mend="Set readOnlyRootFilesystem to true, and mount an emptyDir where the program must write.",
    judge=either(about(Workload, of_pods), about(Release, of_release)),
)

ALLOWED = DEPLOYMENT

REFUSED = DEPLOYMENT.replace("readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false")
