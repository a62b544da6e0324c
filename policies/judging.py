"""Runs rules on resources, with the levels, options and suppressions that hold."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from policies.config import AS_SHIPPED, Config
from policies.registry import RULES
from policies.rule import STACK, Level
from policies.suppressions import NONE, Suppressions

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from policies.rule import Place, Problem, Rule
    from policies.view import Resource, Stack, Suppression

__all__ = ["Finding", "Pack", "judge", "judge_resource", "judge_stack"]


@dataclass(frozen=True)
class Finding:
    """A problem that a rule has found; ``suppression`` is what takes it off the list, ``subject`` what it is on."""

    rule: Rule
    level: Level
    resource: str
    words: str
    place: Place
    subject: Resource | None
    suppression: Suppression | None

    @property
    def refuses(self) -> bool:
        """Whether it stops a preview."""
        return self.level is Level.MANDATORY and self.suppression is None

    def __str__(self) -> str:
        """As in "service-intentions/details lets anyone in: source *"."""
        return f"{self.resource} {self.words}"


@dataclass(frozen=True)
class Pack:
    """The rules as they are set up."""

    config: Config = AS_SHIPPED
    suppressions: Suppressions = NONE

    def of_stack(self, name: str, edition: str, folder: str) -> Pack:
        """The same for a stack with this edition of Consul, whose gateway runs in this folder."""
        return replace(self.suppressing_in(name), config=self.config.of_stack(edition, folder))

    def suppressing_in(self, stack: str) -> Pack:
        """The same with those suppressions alone that hold for a stack, or where its name is empty, for all stacks."""
        return replace(self, suppressions=self.suppressions.of_stack(stack))


def judge(stack: Stack, pack: Pack, rules: Iterable[Rule] = RULES.values()) -> list[Finding]:
    """What all rules find, or some of them in this order, the suppressed included."""
    found: list[Finding] = []
    stack = replace(stack, suppressions=pack.suppressions.all)
    for rule in rules:
        if rule.judge:
            for resource in stack.resources:
                found += judge_resource(rule, resource, pack)
        else:
            before = frozenset((each.rule.id, each.resource) for each in found)
            found += judge_stack(rule, replace(stack, found=before), pack)
    return found


def judge_resource(rule: Rule, resource: Resource, pack: Pack) -> Iterator[Finding]:
    """What one rule finds on one resource."""
    if rule.judge and pack.config.level(rule) is not Level.DISABLED:
        yield from _findings(rule, rule.judge(resource, pack.config.options(rule)), resource, pack)


def judge_stack(rule: Rule, stack: Stack, pack: Pack) -> Iterator[Finding]:
    """What one rule finds on all resources together."""
    if rule.judge_stack and pack.config.level(rule) is not Level.DISABLED:
        yield from _findings(rule, rule.judge_stack(stack, pack.config.options(rule)), None, pack)


def _findings(rule: Rule, problems: Iterable[Problem], resource: Resource | None, pack: Pack) -> Iterator[Finding]:
    level = pack.config.level(rule)
    for problem in problems:
        subject = problem.on or resource
        name = subject.name if subject else STACK
        suppression = pack.suppressions.of(rule.id, name)
        yield Finding(rule, level, name, problem.words, problem.place, subject, suppression)
