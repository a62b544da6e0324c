"""Nobody gets round a sidecar, or another service's identity."""

import re
from collections.abc import Iterator

from policies.examples import DEPLOYMENT, RELEASE
from policies.helm import is_consul
from policies.rule import Level, Problem, Rule, about, either
from policies.view import Release, Workload

_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
"""What Go's strconv.ParseBool takes for true; the injector refuses what it takes for neither."""
_CHART = ("values", "connectInject")
_SELECTOR = "serviceaccount.name!=default"
"""The chart's own, which takes service accounts of any namespace."""
_OF_NAMESPACE = re.compile(r"\bserviceaccount\.namespace(\s*==|\s+matches\s)")
_UNDOES_IT = re.compile(r"\bor\s|\bnot\s+(?!\s|(in|contains|matches|empty)\b)")
"""What leaves a namespace without effect in go-bexpr (`grammar.peg` of 0.1.2): `or`, and `not` before a term."""


def of_pods(workload: Workload) -> Iterator[Problem]:
    if workload.redirects is not None and workload.redirects not in _TRUE:
        yield Problem("leaves its pods' own ports open to the cluster: transparent proxy is off", workload.annotated)


def of_release(release: Release) -> Iterator[Problem]:
    """What isn't set is as the chart has it (values.yaml of 2.0.3)."""
    if not is_consul(release):
        return
    if release.value("connectInject", "transparentProxy", "defaultEnabled", absent=True) is not True:
        place = (*_CHART, "transparentProxy")
        yield Problem("leaves pods' own ports open to the cluster: transparent proxy is off", place)
    if release.value("connectInject", "failurePolicy", absent="Fail") != "Fail":
        place = (*_CHART, "failurePolicy")
        yield Problem("lets pods start without a sidecar while the injector is away", place)
    selector = str(release.value("connectInject", "aclBindingRuleSelector", absent=_SELECTOR))
    if not _OF_NAMESPACE.search(selector) or _UNDOES_IT.search(selector):
        place = (*_CHART, "aclBindingRuleSelector")
        yield Problem("gives a service's identity to service accounts of its name in any namespace", place)


RULE = Rule(
    id="CP510",
    title="Sidecars can't be gone round, nor identities taken",
    level=Level.MANDATORY,
    why="Intentions hold where a sidecar asks them, and they go by the caller's identity alone.",
    mend="Leave connectInject.transparentProxy and failurePolicy as the chart has them, transparent proxy on in pods, "
    "and ask for the application's namespace in aclBindingRuleSelector: serviceaccount.namespace==NAME, with no 'or' "
    "and no 'not' before a term.",
    judge=either(about(Workload, of_pods), about(Release, of_release)),
)

ALLOWED = f"{RELEASE}---{DEPLOYMENT}"

REFUSED = ALLOWED.replace("serviceaccount.namespace==shop", "serviceaccount.name!=default")
