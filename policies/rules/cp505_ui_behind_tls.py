"""The UI is not shown to the world in plaintext."""

from collections.abc import Iterator

from policies.examples import RELEASE
from policies.helm import is_consul
from policies.rule import Level, Problem, Rule, about
from policies.view import Release

_OPEN = ("LoadBalancer", "NodePort")  # compared, not hashed: the value may be anything


def judge(release: Release) -> Iterator[Problem]:
    if not is_consul(release) or release.value("ui", "enabled") is False:
        return
    kind = release.value("ui", "service", "type")
    if kind in _OPEN and release.value("global", "tls", "enabled") is not True:
        yield Problem(f"shows the UI on a {kind} without TLS", ("values", "ui", "service", "type"))
    shown = release.value("ui", "ingress", "enabled")  # by truthiness, and not "-": templates/ui-ingress.yaml of 2.0.3
    if shown and shown != "-" and not release.value("ui", "ingress", "tls"):
        yield Problem("shows the UI on an ingress without TLS", ("values", "ui", "ingress"))


RULE = Rule(
    id="CP505",
    title="Consul's UI is not exposed without TLS",
    level=Level.MANDATORY,
    why="Whoever logs in to it sends a token that may change everything.",
    mend="Keep ui.service.type at ClusterIP, or enable TLS; give ui.ingress a tls section.",
    judge=about(Release, judge),
)

ALLOWED = f"""{RELEASE}
        ui: {{ingress: {{enabled: true, tls: [{{hosts: [consul.example.com], secretName: consul-ui}}]}}}}
"""

REFUSED = ALLOWED.replace("tls: [{hosts: [consul.example.com], secretName: consul-ui}]", "hosts: []")
