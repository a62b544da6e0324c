"""What is open is needed."""

from collections.abc import Iterator

from policies.examples import HTTP, READER
from policies.intention import Allow, allows
from policies.rule import Level, Options, Problem, Rule
from policies.view import Stack
from posture.errors import InputError
from posture.model.access import Request
from posture.model.conditions import Facts, conditions_of
from posture.model.entry import Kind
from posture.model.matrix import Sample, declared_calls


def judge(stack: Stack, _options: Options) -> Iterator[Problem]:
    if stack.application is None:
        return
    known = stack.application.sources
    calls: dict[tuple[str, str], list[Sample]] = {}
    for source, sample in declared_calls(stack.application):
        calls.setdefault((source, sample.destination), []).append(sample)
    for resource, entry in stack.entries(Kind.SERVICE_INTENTIONS):
        for allow in allows(entry):
            if allow.peer:
                continue  # which calls it makes, its own application says
            declared = calls.get((allow.source, entry.name), ())
            if {allow.source, entry.name} <= known and not any(_matches(stack, allow, sample) for sample in declared):
                words = f"lets {allow.source} in for what it declares no call for"
                yield Problem(words, allow.place, resource)


def _matches(stack: Stack, allow: Allow, sample: Sample) -> bool:
    """Whether a rule lets a call in, whatever headers it may need: what a call declares is its method and path."""
    if allow.http is None:
        return True
    facts = stack.access.facts(Request(allow.source, *sample))
    asked = {key: value for key, value in allow.http.items() if key != "Header"}
    try:
        return isinstance(facts, Facts) and all(each.holds(facts) for each in conditions_of(asked, "a permission"))
    except InputError:  # an expression that is none, which CP204 says
        return True


RULE = Rule(
    id="CP703",
    title="Every grant is needed by a call",
    level=Level.ADVISORY,
    why="What nobody uses is only there for those who should not be.",
    mend="Remove the grant, or declare the call in the application's file.",
    judge_stack=judge,
)

ALLOWED = f"{HTTP}---{READER}"

REFUSED = ALLOWED.replace("[GET]", "[PUT]")
