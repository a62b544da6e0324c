"""Consul's ACLs are on."""

from collections.abc import Iterator

from policies.examples import RELEASE
from policies.helm import is_consul
from policies.rule import Level, Problem, Rule, about
from policies.view import Release


def judge(release: Release) -> Iterator[Problem]:
    if is_consul(release) and release.value("global", "acls", "manageSystemACLs") is not True:
        yield Problem("installs Consul without ACLs", ("values", "global", "acls", "manageSystemACLs"))


RULE = Rule(
    id="CP503",
    title="Consul's ACLs are on",
    level=Level.MANDATORY,
    why="Without ACLs any pod can register as any service and write intentions.",
    mend="Set global.acls.manageSystemACLs to true.",
    judge=about(Release, judge),
)

ALLOWED = RELEASE

REFUSED = RELEASE.replace("manageSystemACLs: true", "manageSystemACLs: false")
