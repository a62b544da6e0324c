"""A gateway leads only to services that let it in."""

from collections.abc import Iterator

from policies.examples import ENTRANCE
from policies.rule import Level, Options, Problem, Rule
from policies.view import Stack
from posture.errors import InputError
from posture.model.entry import Kind


def judge(stack: Stack, _options: Options) -> Iterator[Problem]:
    for route, entry in stack.entries(Kind.HTTP_ROUTE):
        gateways = dict.fromkeys(parent["Name"] for parent in entry.body.get("Parents") or ())
        for i, rule in enumerate(entry.body.get("Rules") or ()):
            for j, service in enumerate(rule.get("Services") or ()):
                for gateway in gateways:
                    if not _lets_in(stack, gateway, service["Name"]):
                        words = f"leads from {gateway} to {service['Name']}, which no intention lets it call"
                        yield Problem(words, ("Rules", i, "Services", j), route)


def _lets_in(stack: Stack, gateway: str, service: str) -> bool:
    try:
        deciding = stack.access.intentions.deciding(gateway, service, http=stack.access.is_http(service))
    except InputError:  # an expression that is none, which CP204 says
        return True
    return any(rule.allows for intention in deciding for rule in intention.rules)


RULE = Rule(
    id="CP305",
    title="A gateway's routes lead to services that let it in",
    level=Level.MANDATORY,
    why="A route without a grant waits: whoever opens the service later opens it to the world, too.",
    mend="Grant the gateway the call, or remove the route.",
    judge_stack=judge,
)

ALLOWED = ENTRANCE

REFUSED = ENTRANCE.replace("Sources: [{Name: gateway", "Sources: [{Name: fortio")
