"""Nothing runs as root."""

from collections.abc import Iterator

from policies.examples import DEPLOYMENT
from policies.helm import named
from policies.rule import Level, Problem, Rule, about, either
from policies.view import Release, Workload


def of_pods(workload: Workload) -> Iterator[Problem]:
    for container in workload.containers:
        user = container.security.get("runAsUser")
        if user == 0 or (user is None and container.security.get("runAsNonRoot") is not True):
            yield Problem(f"container {container.name} may run as root", container.place)


def of_release(release: Release) -> Iterator[Problem]:
    """The chart's own pods have users who aren't root, unless the values say otherwise."""
    for place, user in named(release, "runAsUser"):
        if user == 0 and user is not False:
            yield Problem(f"has pods that run as root: {'.'.join(map(str, place))}", place)


RULE = Rule(
    id="CP507",
    title="Containers don't run as root",
    level=Level.MANDATORY,
    why="Root in a container is one mistake away from root on the node, where every sidecar's key is.",
    mend="Set runAsNonRoot to true in the pod's or the container's securityContext.",
    judge=either(about(Workload, of_pods), about(Release, of_release)),
)

ALLOWED = DEPLOYMENT

REFUSED = DEPLOYMENT.replace("runAsNonRoot: true", "runAsUser: 0")
