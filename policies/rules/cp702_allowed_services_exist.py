"""Who is allowed exists, and so does what it may call."""

from collections.abc import Iterator

from policies.intention import allows
from policies.rule import Level, Options, Problem, Rule
from policies.shapes import misfit
from policies.view import ForeignEntry, Stack, Workload
from posture.model.entry import Kind


def judge(stack: Stack, _options: Options) -> Iterator[Problem]:
    known = _known(stack)
    if not known:
        return
    for resource, entry in stack.entries(Kind.SERVICE_INTENTIONS):
        for allow in allows(entry):
            names = (entry.name,) if allow.peer else (entry.name, allow.source)  # who is at a peer is not known here
            for name in names:
                if name not in known and name != "*":
                    yield Problem(
                        f"allows {allow.source} to call {entry.name}: nobody is called {name}", allow.place, resource
                    )


def _known(stack: Stack) -> frozenset[str]:
    """The names of the application, else of what the stack declares besides intentions."""
    gateways = stack.gateways | set(_at_other_gateways(stack))
    if stack.application:
        return stack.application.sources | gateways
    services = {entry.name for _, entry in stack.entries(Kind.SERVICE_DEFAULTS)}
    services |= {resource.view.name for resource in stack.resources if isinstance(resource.view, Workload)}
    return frozenset(services | gateways) if services else frozenset()


def _at_other_gateways(stack: Stack) -> Iterator[str]:
    """The names of ingress gateways, and of the services that terminating gateways stand for."""
    for view in (resource.view for resource in stack.resources):
        if not isinstance(view, ForeignEntry) or misfit(view.kind, view.body):
            continue  # a custom resource's spec may be anything
        if view.kind == "ingress-gateway":
            yield view.name
        elif view.kind == "terminating-gateway":
            yield from (service["Name"] for service in view.body.get("Services") or ())


RULE = Rule(
    id="CP702",
    title="Allowed callers and the services they call exist",
    level=Level.MANDATORY,
    why="A grant to a name that nobody has is taken by whoever gets that name.",
    mend="Correct the name, or remove the grant.",
    judge_stack=judge,
)

ALLOWED = """
Kind: service-defaults
Name: details
---
Kind: service-defaults
Name: productpage
---
Kind: service-intentions
Name: details
Sources: [{Name: productpage, Action: allow}]
"""

REFUSED = ALLOWED.replace("Sources: [{Name: productpage", "Sources: [{Name: prodctpage")
