"""The rules as the engine's policies.

pulumi-policy 1.21.0 hands a policy its inputs without the marks of secrets, and drops a policy that reads an unknown
value with an advisory word. `Decoder` and `as_decoded` take the places of what does so and keep both: rules then see a
secret as one, and CP001 refuses what isn't known, at its own level.
"""

from __future__ import annotations

import threading
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from google.protobuf import json_format  # type: ignore[import-untyped]  # it has no types
from pulumi_policy import (
    EnforcementLevel,
    Policy,
    PolicyConfigSchema,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    Severity,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy import proxy as sdk
from pulumi_policy.deserialize import SPECIAL_SECRET_SIG, SPECIAL_SIG_KEY

from policies.config import Config
from policies.inputs import UNKNOWN, Secret
from policies.judging import Pack, judge, judge_resource, judge_stack
from policies.reading import of_pulumi
from policies.registry import RULES
from policies.rule import Level
from policies.view import Resource, Stack
from posture.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from policies.judging import Finding
    from policies.rule import Rule
    from posture.model.application import Application
    from posture.model.settings import Settings

__all__ = ["Decoder", "as_decoded", "policies_of"]

_UNKNOWNS = {value for name, value in vars(sdk).items() if name.startswith("UNKNOWN_")}
_MOST_KEPT = 5_000
_SEVERITIES = {Level.MANDATORY: Severity.HIGH}


class Decoder:
    """Stands where the SDK looks for `google.protobuf.json_format`, and hands out inputs as rules read them.

    The SDK decodes a resource and its provider anew for every policy, which made a preview of 1,000 resources twice as
    long. A message that is held on to stays the same object, so it is known again here. One thread, one memory.
    """

    def __init__(self) -> None:
        self._memory = threading.local()

    def MessageToDict(self, message: Any) -> Mapping[str, Any]:  # noqa: ANN401, N802 - the name and types of protobuf's
        """The message as plain data in which unknown values and secrets are marked; no `dict`, or the SDK wraps it."""
        kept: dict[int, tuple[Any, Mapping[str, Any]]] = vars(self._memory).setdefault("kept", {})
        found = kept.get(id(message))
        if found is None:
            if len(kept) > _MOST_KEPT:
                kept.clear()
            found = kept[id(message)] = (message, MappingProxyType(_marked(json_format.MessageToDict(message))))
        return found[1]


def as_decoded(inputs: Mapping[str, Any], _proxy_secrets: bool = False) -> Mapping[str, Any]:  # noqa: FBT001, FBT002 - the SDK's
    """Stands where the SDK takes unknown values for a reason to drop a policy, and secrets for plain values."""
    return inputs


def policies_of(pack: Pack) -> list[Policy]:
    """One policy for each rule, named by its id."""
    reader = _Reader()
    return [_policy(rule, pack, reader) for rule in RULES.values()]


class _Reader:
    """Reads each resource once for all rules: the SDK asks every policy with inputs of its own."""

    def __init__(self) -> None:
        self._memory = threading.local()
        self._last_stack: tuple[list[tuple[str, Mapping[str, Any]]], Stack, dict[int, str]] | None = None

    def resource(self, urn: str, kind: str, name: str, inputs: Mapping[str, Any]) -> Resource:
        last: tuple[str, Mapping[str, Any], Resource] | None = vars(self._memory).get("last")
        if last is None or last[0] != urn or last[1] is not inputs:
            last = self._memory.last = (urn, inputs, of_pulumi(kind, name, dict(inputs)))
        return last[2]

    def stack(self, args: StackValidationArgs) -> tuple[Stack, dict[int, str]]:
        """All resources, and the URN of each by its identity."""
        given = [(each.urn, each.props) for each in args.resources]
        last = self._last_stack
        if last is None or last[0] != given:
            read = [of_pulumi(each.resource_type, each.name, dict(each.props)) for each in args.resources]
            urns = {id(resource): urn for resource, (urn, _) in zip(read, given, strict=True)}
            application = _application(given[0][0]) if given else None
            last = self._last_stack = (given, Stack(tuple(read), application), urns)
        return last[1], last[2]


def _policy(rule: Rule, pack: Pack, reader: _Reader) -> Policy:
    level = EnforcementLevel(pack.config.level(rule).value)
    about: dict[str, Any] = {
        "name": rule.id,
        "description": f"{rule.title}.",
        "enforcement_level": level,
        "config_schema": _schema(rule),
        "display_name": rule.title,
        "severity": _SEVERITIES.get(rule.level, Severity.LOW),
        "remediation_steps": rule.mend,
    }

    def validate(args: ResourceValidationArgs, report: Callable[[str, str | None], None]) -> None:
        resource = reader.resource(args.urn, args.resource_type, args.name, args.props)
        set_up = _with(pack, rule, args.get_config(), args.urn)
        _report(judge_resource(rule, resource, set_up), report, {id(resource): args.urn})

    def validate_stack(args: StackValidationArgs, report: Callable[[str, str | None], None]) -> None:
        stack, urns = reader.stack(args)
        set_up = _with(pack, rule, args.get_config(), args.resources[0].urn if args.resources else "")
        found = _unneeded(rule, stack, set_up) if rule.id == "CP901" else judge_stack(rule, stack, set_up)
        _report(found, report, urns)

    if rule.judge:
        return ResourceValidationPolicy(validate=validate, **about)
    return StackValidationPolicy(validate=validate_stack, **about)


def _unneeded(rule: Rule, stack: Stack, pack: Pack) -> Iterator[Finding]:
    """What the rule about suppressions finds; it goes by what those rules find that are suppressed anywhere."""
    suppressed = {each.rule for each in pack.suppressions.all}
    found = judge(stack, pack, [*(each for each in RULES.values() if each.id in suppressed), rule])
    return (each for each in found if each.rule is rule)


def _report(findings: Iterable[Finding], report: Callable[[str, str | None], None], urns: Mapping[int, str]) -> None:
    for finding in findings:
        if finding.suppression is None:
            report(f"{finding}. {finding.rule.mend}", urns.get(id(finding.subject)))


def _with(pack: Pack, rule: Rule, given: Mapping[str, Any], urn: str) -> Pack:
    """The pack as it holds for the stack of a URN, with the options that the engine was given."""
    if not rule.options:
        return pack
    name = _stack_of(urn)
    settings = _settings(name)
    pack = pack.of_stack(settings.edition, _folder(name)) if settings else pack
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


def _application(urn: str) -> Application | None:
    """The application of the stack that a URN names, if this is one of our projects: a pack is told nothing else."""
    settings = _settings(_stack_of(urn))
    try:
        return settings.load(Path.cwd())[0] if settings else None
    except InputError:
        return None


def _stack_of(urn: str) -> str:
    return urn.removeprefix("urn:pulumi:").partition("::")[0]


@cache
def _settings(stack: str) -> Settings | None:
    from posture.model.settings import read_settings  # noqa: PLC0415 - there is time for it once the pack has started

    try:
        return read_settings(Path.cwd(), stack)
    except InputError:
        return None


def _folder(stack: str) -> str:
    from posture.model.settings import state_folder  # noqa: PLC0415 - as above

    return str(state_folder(Path.cwd(), stack))


def _marked(value: Any) -> Any:  # noqa: ANN401 - any input
    if isinstance(value, str):
        return UNKNOWN if value in _UNKNOWNS else value
    if isinstance(value, float) and value.is_integer():
        return int(value)  # every number comes as a floating-point one
    if isinstance(value, list):
        return [_marked(each) for each in value]
    if not isinstance(value, dict):
        return value
    if value.get(SPECIAL_SIG_KEY) == SPECIAL_SECRET_SIG:
        return Secret(_marked(value["value"]))
    return {key: _marked(each) for key, each in value.items()}
