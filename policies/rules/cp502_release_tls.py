"""Consul's own traffic is encrypted and checked."""

from collections.abc import Iterator

from policies.examples import RELEASE
from policies.helm import is_consul
from policies.rule import Level, Problem, Rule, about
from policies.view import Release


def judge(release: Release) -> Iterator[Problem]:
    if not is_consul(release):
        return
    place = ("values", "global", "tls")
    if release.value("global", "tls", "enabled") is not True:
        yield Problem("installs Consul without TLS: global.tls.enabled is not true", (*place, "enabled"))
    for field in ("verify", "httpsOnly"):  # which the chart goes by as true or not: 0, "" and null turn them off
        if release.value("global", "tls", field, absent=True) is not True:
            yield Problem(f"sets global.tls.{field} to something other than true", (*place, field))


RULE = Rule(
    id="CP502",
    title="Consul speaks TLS, and checks it",
    level=Level.MANDATORY,
    why="Without it tokens and certificates cross the cluster's network in the open, or to whoever answers first.",
    mend="Set global.tls.enabled to true; leave verify and httpsOnly at true.",
    judge=about(Release, judge),
)

ALLOWED = RELEASE

REFUSED = RELEASE.replace("verify: true", "verify: false")
