"""Nothing runs as root."""

from collections.abc import Iterator

from policies.examples import DEPLOYMENT
from policies.rule import Level, Problem, Rule, about
from policies.view import Workload


def judge(workload: Workload) -> Iterator[Problem]:
    for container in workload.containers:
        user = container.security.get("runAsUser")
        if user == 0 or (user is None and container.security.get("runAsNonRoot") is not True):
            yield Problem(f"container {container.name} may run as root", container.place)


RULE = Rule(
    id="CP507",
    title="Containers don't run as root",
    level=Level.MANDATORY,
    why="Root in a container is one mistake away from root on the node, where every sidecar's key is.",
    mend="Set runAsNonRoot to true in the pod's or the container's securityContext.",
    judge=about(Workload, judge),
)

ALLOWED = DEPLOYMENT

REFUSED = DEPLOYMENT.replace("runAsNonRoot: true", "runAsUser: 0")
