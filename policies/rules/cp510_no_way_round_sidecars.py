"""Nobody gets round a sidecar, or another service's identity."""

from collections.abc import Iterator

from policies.examples import RELEASE
from policies.helm import is_consul
from policies.rule import Level, Problem, Rule, about
from policies.view import Release

_CHART = ("values", "connectInject")


def judge(release: Release) -> Iterator[Problem]:
    """What isn't set is as the chart has it (values.yaml of 2.0.3), but for the selector, which is ours to set."""
    if not is_consul(release):
        return
    if release.value("connectInject", "transparentProxy", "defaultEnabled", absent=True) is not True:
        place = (*_CHART, "transparentProxy")
        yield Problem("leaves pods' own ports open to the cluster: transparent proxy is off", place)
    if release.value("connectInject", "failurePolicy", absent="Fail") != "Fail":
        place = (*_CHART, "failurePolicy")
        yield Problem("lets pods start without a sidecar while the injector is away", place)
    selector = release.value("connectInject", "aclBindingRuleSelector", absent="serviceaccount.namespace")
    if "serviceaccount.namespace" not in str(selector):
        place = (*_CHART, "aclBindingRuleSelector")
        yield Problem("gives a service's identity to service accounts of its name in any namespace", place)


RULE = Rule(
    id="CP510",
    title="Sidecars can't be gone round, nor identities taken",
    level=Level.MANDATORY,
    why="Intentions hold where a sidecar asks them, and they go by the caller's identity alone.",
    mend="Leave connectInject.transparentProxy and failurePolicy as the chart has them, and name the application's "
    "serviceaccount.namespace in aclBindingRuleSelector.",
    judge=about(Release, judge),
)

ALLOWED = f"""{RELEASE}
        connectInject: {{aclBindingRuleSelector: "'serviceaccount.namespace==shop'"}}
"""

REFUSED = ALLOWED.replace("serviceaccount.namespace==shop", "serviceaccount.name!=default")
