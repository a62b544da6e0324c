"""Consul's own traffic is encrypted and checked."""

from collections.abc import Iterator

from policies.examples import RELEASE
from policies.helm import EXTRA_CONFIG, if_readable, is_consul, tls_config
from policies.rule import Level, Problem, Rule, about
from policies.view import Release

_CHECKS = {
    "tls.internal_rpc.verify_incoming",
    "verify_incoming_rpc",
    *(
        f"{place}{check}"
        for place in ("", "tls.defaults.", "tls.internal_rpc.", "tls.https.")
        for check in ("verify_outgoing", "verify_server_hostname")
    ),
}


def judge(release: Release) -> Iterator[Problem]:
    if not is_consul(release):
        return
    place = ("values", "global", "tls")
    if release.value("global", "tls", "enabled") is not True:
        yield Problem("installs Consul without TLS: global.tls.enabled is not true", (*place, "enabled"))
    for field in ("verify", "httpsOnly"):  # which the chart goes by as true or not: 0, "" and null turn them off
        if release.value("global", "tls", field, absent=True) is not True:
            yield Problem(f"sets global.tls.{field} to something other than true", (*place, field))
    for name, value in if_readable(tls_config, release).items():
        if name in _CHECKS and value is not None and value is not True:
            yield Problem(f"turns {name} off in server.extraConfig", EXTRA_CONFIG)
        elif name == "ports.http" and isinstance(value, int | float) and value > 0:
            yield Problem("serves HTTP without TLS by ports.http in server.extraConfig", EXTRA_CONFIG)


RULE = Rule(
    id="CP502",
    title="Consul speaks TLS, and checks it",
    level=Level.MANDATORY,
    why="Without it tokens and certificates cross the cluster's network in the open, or to whoever answers first.",
    mend="Set global.tls.enabled to true; leave verify and httpsOnly at true, and both out of server.extraConfig.",
    judge=about(Release, judge),
)

ALLOWED = RELEASE

REFUSED = RELEASE.replace("verify: true", "verify: false")
