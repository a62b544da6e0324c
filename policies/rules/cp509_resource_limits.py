"""A container takes only so much of its node."""

import re
from collections.abc import Iterator

from policies.examples import DEPLOYMENT
from policies.helm import named
from policies.rule import Level, Problem, Rule, about, either
from policies.view import Release, Workload

_ZERO = re.compile(r"[+-]?[0.]+([a-zA-Z]*|[eE][+-]?\d+)")
"""A quantity of nothing, in whatever unit: Kubernetes takes it for no limit."""


def of_pods(workload: Workload) -> Iterator[Problem]:
    for container in workload.containers:
        missing = [name for name in ("cpu", "memory") if not _limits(container.limits.get(name))]
        if missing:
            yield Problem(f"container {container.name} has no limit of {' and '.join(missing)}", container.place)


def of_release(release: Release) -> Iterator[Problem]:
    """The chart's own containers have limits, which Helm merges with the values: what isn't named stays.

    But for sidecars, whose limits each service sets.
    """
    for place, resources in named(release, "resources"):
        limits = resources.get("limits", {}) if isinstance(resources, dict) else None
        kept = isinstance(limits, dict) and all(_limits(limits.get(name, True)) for name in ("cpu", "memory"))
        if not kept and "sidecarProxy" not in place:
            yield Problem(f"has containers without limits: {'.'.join(map(str, place))}", place)


def _limits(quantity: object) -> bool:
    return bool(quantity) and not _ZERO.fullmatch(str(quantity))


RULE = Rule(
    id="CP509",
    title="Containers have limits of CPU and memory",
    level=Level.MANDATORY,
    why="One container can otherwise take a node from all others, sidecars included.",
    mend="Set resources.limits.cpu and resources.limits.memory.",
    judge=either(about(Workload, of_pods), about(Release, of_release)),
)

ALLOWED = DEPLOYMENT

REFUSED = DEPLOYMENT.replace("cpu: 500m, ", "")
