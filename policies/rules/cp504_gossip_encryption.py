"""Gossip is encrypted."""

from collections.abc import Iterator

from policies.examples import RELEASE
from policies.helm import EXTRA_CONFIG, if_readable, is_consul, server_config
from policies.rule import Level, Problem, Rule, about
from policies.view import Release


def judge(release: Release) -> Iterator[Problem]:
    if not is_consul(release):
        return
    automatic, *named = (
        release.value("global", "gossipEncryption", key) for key in ("autoGenerate", "secretName", "secretKey")
    )
    if automatic is not True and not all(named):
        yield Problem("installs Consul without gossip encryption", ("values", "global", "gossipEncryption"))
    own = if_readable(server_config, release)
    for name in ("encrypt_verify_incoming", "encrypt_verify_outgoing"):
        if own.get(name) is not None and own[name] is not True:
            yield Problem(f"turns {name} off in server.extraConfig", EXTRA_CONFIG)


RULE = Rule(
    id="CP504",
    title="Gossip between Consul's servers is encrypted",
    level=Level.MANDATORY,
    why="Whoever can send to the gossip port can otherwise join, and change who is thought to be alive.",
    mend="Set global.gossipEncryption.autoGenerate, or name a Secret with secretName and secretKey; leave "
    "encrypt_verify_incoming and encrypt_verify_outgoing out of server.extraConfig.",
    judge=about(Release, judge),
)

ALLOWED = RELEASE

REFUSED = RELEASE.replace("autoGenerate: true", "autoGenerate: false")
