"""A container takes only so much of its node."""

from collections.abc import Iterator

from policies.examples import DEPLOYMENT
from policies.rule import Level, Problem, Rule, about
from policies.view import Workload


def judge(workload: Workload) -> Iterator[Problem]:
    for container in workload.containers:
        missing = [name for name in ("cpu", "memory") if not container.limits.get(name)]
        if missing:
            yield Problem(f"container {container.name} has no limit of {' and '.join(missing)}", container.place)


RULE = Rule(
    id="CP509",
    title="Containers have limits of CPU and memory",
    level=Level.MANDATORY,
    why="One container can otherwise take a node from all others, sidecars included.",
    mend="Set resources.limits.cpu and resources.limits.memory.",
    judge=about(Workload, judge),
)

ALLOWED = DEPLOYMENT

REFUSED = DEPLOYMENT.replace("cpu: 500m, ", "")
