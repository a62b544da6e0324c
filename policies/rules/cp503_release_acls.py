"""Consul's ACLs are on."""

from collections.abc import Iterator

from policies.examples import RELEASE
from policies.helm import EXTRA_CONFIG, acl_config, if_readable, is_consul, loads_more
from policies.rule import Level, Problem, Rule, about
from policies.view import Release


def judge(release: Release) -> Iterator[Problem]:
    if not is_consul(release):
        return
    if release.value("global", "acls", "manageSystemACLs") is not True:
        yield Problem("installs Consul without ACLs", ("values", "global", "acls", "manageSystemACLs"))
    acl = if_readable(acl_config, release)
    enabled, default = acl.get("enabled"), acl.get("default_policy")
    if enabled is not None and enabled is not True:
        yield Problem("turns ACLs off in server.extraConfig", EXTRA_CONFIG)
    if default is not None and default != "deny":
        yield Problem("allows in server.extraConfig what no ACL rule is about", EXTRA_CONFIG)
    if loads_more(release):
        yield Problem("loads server.extraVolumes, which may turn ACLs off", ("values", "server", "extraVolumes"))


RULE = Rule(
    id="CP503",
    title="Consul's ACLs are on",
    level=Level.MANDATORY,
    why="Without ACLs any pod can register as any service and write intentions.",
    mend="Set global.acls.manageSystemACLs to true, leave enabled and default_policy out of server.extraConfig, and "
    "move there what server.extraVolumes load.",
    judge=about(Release, judge),
)

ALLOWED = RELEASE

REFUSED = RELEASE.replace("manageSystemACLs: true", "manageSystemACLs: false")
