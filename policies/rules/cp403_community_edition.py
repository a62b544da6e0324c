"""Nothing that only Consul Enterprise enforces."""

from collections.abc import Iterator
from typing import Any

from policies.rule import Level, Options, Place, Problem, Rule
from policies.view import ForeignEntry, Resource
from posture.model.entry import Entry

_KINDS = {"sameness-group", "control-plane-request-limit"}
_FIELDS = {"Namespace", "Partition", "SamenessGroup", "RateLimits", "PrioritizeByLocality"}
_FREE_MAPS = {"Add", "Arguments", "Config", "LegacyMeta", "Meta", "Set"}
"""Fields whose content is somebody else's: an extension's, a proxy's, or anybody's notes and headers."""
_EXTENSIONS = {"builtin/http/localratelimit"}
_ITS_OWN: tuple[object, ...] = ("", "default", None)  # compared, not hashed: the value may be anything


def judge(resource: Resource, options: Options) -> Iterator[Problem]:
    view = resource.view
    if options["edition"] == "enterprise" or not isinstance(view, Entry | ForeignEntry):
        return
    if view.kind in _KINDS:
        yield Problem("is of a kind that only Consul Enterprise has")
    for place, value in _fields(view.body, ()):
        if place[-1] in _FIELDS and value not in _ITS_OWN:
            yield Problem(f"sets {place[-1]}, which only Consul Enterprise has", place)
        elif place[-1] == "Name" and place[0] == "EnvoyExtensions" and value in _EXTENSIONS:
            yield Problem(f"uses the extension {value}, which only Consul Enterprise has", place)


def _fields(value: Any, place: Place) -> Iterator[tuple[Place, Any]]:  # noqa: ANN401 - any JSON
    if isinstance(value, dict):
        for key, each in value.items():
            yield (*place, key), each if not isinstance(each, dict | list) or each else None
            if key not in _FREE_MAPS and isinstance(each, dict | list):
                yield from _fields(each, (*place, key))
    elif isinstance(value, list):
        for i, each in enumerate(value):
            yield from _fields(each, (*place, i))


RULE = Rule(
    id="CP403",
    title="Nothing needs another edition of Consul than the stack has",
    level=Level.MANDATORY,
    why="Community Edition refuses these fields or ignores them: a limit that is written is then no limit.",
    mend="Use what Community Edition has, or set edition to enterprise: the stack's, or this rule's option.",
    judge=judge,
    options={"edition": "community"},
    choices={"edition": ("community", "enterprise")},
)

ALLOWED = """
Kind: service-defaults
Name: details
Namespace: default
Protocol: http
Meta: {Namespace: shop}
"""

REFUSED = """
Kind: service-defaults
Name: details
Protocol: http
RateLimits: {InstanceLevel: {RequestsPerSecond: 5, RequestsMaxBurst: 5}}
"""
