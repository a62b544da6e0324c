"""The servers' default is deny."""

from collections.abc import Iterator

from policies.examples import RELEASE
from policies.helm import EXTRA_CONFIG, default_policy, is_consul
from policies.rule import Level, Problem, Rule, about
from policies.view import Release


def judge(release: Release) -> Iterator[Problem]:
    if not is_consul(release):
        return
    try:
        default = default_policy(release)
    except ValueError:
        yield Problem(
            "server.extraConfig is no JSON that Consul reads, so its default policy can't be told", EXTRA_CONFIG
        )
        return
    if default != "deny":
        yield Problem(f"what no intention matches is answered by '{default}'", EXTRA_CONFIG)


RULE = Rule(
    id="CP103",
    title="What no intention matches is denied",
    level=Level.MANDATORY,
    why="Intentions with permissions fall back to the default policy, not to '* -> *: deny': they may fail open.",
    mend="Set global.acls.manageSystemACLs, and leave default policies of server.extraConfig at deny.",
    judge=about(Release, judge),
)

ALLOWED = RELEASE

REFUSED = f"""{RELEASE}
        server: {{extraConfig: '{{"default_intention_policy": "allow"}}'}}
"""
