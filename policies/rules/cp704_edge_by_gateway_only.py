"""The edge is reached by way of the gateway."""

from collections.abc import Iterator

from policies.examples import ENTRANCE, GATEWAY
from policies.intention import allows
from policies.rule import Level, Options, Problem, Rule
from policies.view import Stack
from posture.model.entry import Kind
from posture.model.matrix import declared_calls


def judge(stack: Stack, _options: Options) -> Iterator[Problem]:
    calls = declared_calls(stack.application) if stack.application else ()
    welcome = {(source, sample.destination) for source, sample in calls}
    for resource, entry in stack.entries(Kind.SERVICE_INTENTIONS):
        if entry.name not in stack.edge_services:
            continue
        for allow in allows(entry):
            stranger = allow.source not in stack.gateways | {"*"}  # CP104 has * already
            if stranger and (allow.source, entry.name) not in welcome:
                yield Problem(f"lets {allow.source} in past the gateway", allow.place, resource)


RULE = Rule(
    id="CP704",
    title="What stands behind a gateway is reached through it",
    level=Level.MANDATORY,
    why="A caller that goes past the gateway goes past its TLS, hostnames and routes.",
    mend="Remove the grant, or declare the call in the application's file, as a load generator does.",
    judge_stack=judge,
)

ALLOWED = f"{ENTRANCE}---{GATEWAY}"

REFUSED = ALLOWED.replace("Action: allow}]", "Action: allow}, {Name: reviews, Action: allow}]")
