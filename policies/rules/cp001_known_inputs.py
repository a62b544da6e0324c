"""A resource that can't be read is not let through."""

from collections.abc import Iterator

from policies.rule import Level, Problem, Rule, about
from policies.view import Unreadable


def judge(resource: Unreadable) -> Iterator[Problem]:
    yield Problem(f"can't be judged: {resource.why}")


RULE = Rule(
    id="CP001",
    title="What the rules read is known in the preview",
    level=Level.MANDATORY,
    why="Pulumi skips a policy whose input is not known yet, so a posture could pass that nobody has seen.",
    mend="Give kind, name and content values that do not depend on what other resources turn out to be, spelt as in "
    "Consul's documentation.",
    judge=about(Unreadable, judge),
    always=True,
)

ALLOWED = """
resources:
  details:
    type: consul:ConfigEntry
    properties: {kind: service-defaults, name: details, configJson: '{"Protocol": "http"}'}
"""

REFUSED = """
resources:
  details:
    type: consul:ConfigEntry
    properties: {kind: service-defaults, name: details, configJson: '{"Protocol": '}
"""
