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
            ours = not allow.peer and (allow.source in stack.gateways or (allow.source, entry.name) in welcome)
            if not ours and allow.source != "*":  # CP104 has * already
                who = f"{allow.source} of {allow.peer}" if allow.peer else allow.source
                yield Problem(f"lets {who} in past the gateway", allow.place, resource)


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
