"""Gossip is encrypted."""

from collections.abc import Iterator

from policies.examples import RELEASE
from policies.helm import is_consul
from policies.rule import Level, Problem, Rule, about
from policies.view import Release


def judge(release: Release) -> Iterator[Problem]:
    automatic, *named = (
        release.value("global", "gossipEncryption", key) for key in ("autoGenerate", "secretName", "secretKey")
    )
    if is_consul(release) and automatic is not True and not all(named):
        yield Problem("installs Consul without gossip encryption", ("values", "global", "gossipEncryption"))


RULE = Rule(
    id="CP504",
    title="Gossip between Consul's servers is encrypted",
    level=Level.MANDATORY,
    why="Whoever can send to the gossip port can otherwise join, and change who is thought to be alive.",
    mend="Set global.gossipEncryption.autoGenerate, or name a Secret with secretName and secretKey.",
    judge=about(Release, judge),
)

ALLOWED = RELEASE

REFUSED = RELEASE.replace("autoGenerate: true", "autoGenerate: false")
