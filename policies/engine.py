"""The rules as the engine's policies."""

from __future__ import annotations

from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pulumi_policy import (
    EnforcementLevel,
    Policy,
    PolicyConfigSchema,
    ResourceValidationPolicy,
    Severity,
    StackValidationPolicy,
)

from policies.config import Config
from policies.judging import Pack, judge, judge_resource, judge_stack
from policies.registry import RULES
from policies.rule import Level
from policies.view import Resource, Stack
from posture.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from policies.judging import Finding
    from policies.rule import Rule
    from posture.model.application import Application
    from posture.model.settings import Settings

__all__ = ["Question", "application_of", "policies_of"]

_SEVERITIES = {Level.MANDATORY: Severity.HIGH}


class Question(NamedTuple):
    """What a policy is asked: whether a resource, or all of a stack, is as it should be.

    ``stack`` is the stack's name, ``urns`` are those of the resources, by their identity, ``options`` those that the
    engine was given for this policy.
    """

    subject: Resource | Stack
    stack: str
    urns: Mapping[int, str]
    options: Mapping[str, Any]


def policies_of(pack: Pack) -> list[Policy]:
    """One policy for each rule, named by its id, that is asked a `Question`."""
    pack_of = cache(partial(_of_stack, pack))
    return [_policy(rule, pack.config.level(rule), pack_of) for rule in RULES.values()]


def _policy(rule: Rule, level: Level, pack_of: Callable[[str], Pack]) -> Policy:
    def validate(question: Any, report: Callable[[str, str | None], None]) -> None:  # noqa: ANN401 - the SDK has its own
        pack = _with(pack_of(question.stack), rule, question.options)
        for finding in _found(rule, question.subject, pack):
            if finding.suppression is None:
                report(f"{finding}. {finding.rule.mend}", question.urns.get(id(finding.subject)))

    kind = ResourceValidationPolicy if rule.judge else StackValidationPolicy
    return kind(
        name=rule.id,
        description=f"{rule.title}.",
        validate=validate,
        enforcement_level=EnforcementLevel(level.value),
        config_schema=_schema(rule),
        display_name=rule.title,
        severity=_SEVERITIES.get(rule.level, Severity.LOW),
        remediation_steps=rule.mend,
    )


def _found(rule: Rule, subject: Resource | Stack, pack: Pack) -> Iterable[Finding]:
    if isinstance(subject, Resource):
        return judge_resource(rule, subject, pack)
    if rule.id != "CP901":
        return judge_stack(rule, subject, pack)
    # The rule about suppressions goes by what those rules find that are suppressed anywhere.
    suppressed = {each.rule for each in pack.suppressions.all}
    found = judge(subject, pack, [*(each for each in RULES.values() if each.id in suppressed), rule])
    return (each for each in found if each.rule is rule)


def _of_stack(pack: Pack, stack: str) -> Pack:
    """The pack as it holds for a stack."""
    settings = _settings(stack)
    if settings is None:
        return pack.suppressing_in(stack)
    from posture.model.settings import state_folder  # noqa: PLC0415 - there is time for it once the pack has started

    return pack.of_stack(stack, settings.edition, str(state_folder(Path.cwd(), stack)))


def _with(pack: Pack, rule: Rule, given: Mapping[str, Any]) -> Pack:
    """The pack with the options that the engine was given."""
    options = {name: type(default)(given[name]) for name, default in rule.options.items() if name in given}
    if not options:
        return pack
    own = {**pack.config.options(rule), **options}
    return Pack(Config(pack.config.levels, {**pack.config.options_by_rule, rule.id: own}), pack.suppressions)


def _schema(rule: Rule) -> PolicyConfigSchema | None:
    kinds = {int: "integer", str: "string"}
    return (
        PolicyConfigSchema({name: {"type": kinds[type(value)]} for name, value in rule.options.items()})
        if rule.options
        else None
    )


def application_of(stack: str) -> Application | None:
    """The application of a stack, if this is one of our projects."""
    settings = _settings(stack)
    try:
        return settings.load_application(Path.cwd()) if settings else None
    except InputError:
        return None


@cache
def _settings(stack: str) -> Settings | None:
    from posture.model.settings import read_settings  # noqa: PLC0415 - as above

    try:
        return read_settings(Path.cwd(), stack)
    except InputError:
        return None
