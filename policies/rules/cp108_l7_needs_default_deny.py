"""Rules about requests only on top of default deny."""

from collections.abc import Iterator

from policies.examples import HTTP, READER, RELEASE
from policies.helm import default_policy, is_consul
from policies.intention import permissions
from policies.rule import Level, Options, Problem, Rule
from policies.view import Release, Stack
from posture.model.entry import Kind


def judge(stack: Stack, _options: Options) -> Iterator[Problem]:
    releases = (resource.view for resource in stack.resources)
    if not any(isinstance(each, Release) and is_consul(each) and _is_open(each) for each in releases):
        return
    for resource, entry in stack.entries(Kind.SERVICE_INTENTIONS):
        place = next((place for place, _ in permissions(entry)), None)
        if place is not None:
            yield Problem("fails open: Consul is installed without default deny", place, resource)


def _is_open(release: Release) -> bool:
    try:
        return default_policy(release) != "deny"
    except ValueError:
        return True


RULE = Rule(
    id="CP108",
    title="Rules about requests stand on default deny",
    level=Level.MANDATORY,
    why="A request that matches none of a source's permissions gets the default policy's answer, even where "
    "'* -> *' is denied.",
    mend="Install Consul with global.acls.manageSystemACLs, which makes deny the default.",
    judge_stack=judge,
)

ALLOWED = f"{HTTP}---{READER}---{RELEASE}"

REFUSED = ALLOWED.replace("manageSystemACLs: true", "manageSystemACLs: false")
