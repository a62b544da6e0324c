"""The pack's configuration: levels and options of rules, in the form that the engine's `--policy-pack-config` takes.

`config.json` beside this file is the one that is reviewed. The engine itself takes any rule's name and says nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from policies.registry import RULES
from policies.rule import Level
from posture.model.document import Document, nearest, read_document

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from policies.rule import Options, Rule

__all__ = ["AS_SHIPPED", "Config", "load_config"]

_LEVEL = "enforcementLevel"


@dataclass(frozen=True)
class Config:
    """What differs from the rules' own levels and options, by rule."""

    levels: Mapping[str, Level]
    options_by_rule: Mapping[str, Options]

    def level(self, rule: Rule) -> Level:
        """The level of a rule."""
        return self.levels.get(rule.id, rule.level)

    def options(self, rule: Rule) -> dict[str, Any]:
        """All options of a rule."""
        return {**rule.options, **self.options_by_rule.get(rule.id, {})}

    def of_stack(self, edition: str, folder: str) -> Config:
        """The same for a stack with this edition of Consul, whose gateway runs in this folder.

        Options of these names follow, unless they are set.
        """
        options = dict(self.options_by_rule)
        for rule in RULES.values():
            given = {name: value for name, value in (("edition", edition), ("folder", folder)) if name in rule.options}
            if given:
                options[rule.id] = {**given, **options.get(rule.id, {})}
        return Config(self.levels, options)


AS_SHIPPED = Config({}, {})


def load_config(file: Path) -> Config:
    """Read a configuration.

    Raises:
        InputError: An unknown rule, level or option, or a value of another type, by file and line.
    """
    document = read_document(file)
    levels: dict[str, Level] = {}
    options: dict[str, Options] = {}
    for name, given in document.data.items():
        rule = RULES.get(name)
        if rule is None:
            document.fail(f"no rule '{name}'; {nearest(name, RULES)}", name)
        values = dict(given) if isinstance(given, dict) else {_LEVEL: given}
        if _LEVEL in values:
            levels[name] = _level(
                document, rule, values.pop(_LEVEL), *((name, _LEVEL) if isinstance(given, dict) else (name,))
            )
        for option, value in values.items():
            _check_option(document, rule, option, value)
        options[name] = values
    return Config(levels, options)


def _level(document: Document, rule: Rule, given: object, *place: str) -> Level:
    if given not in set(Level):
        known = ", ".join(Level)
        document.fail(f"{rule.id} has the level '{given}'; it must be one of {known}", *place)
    if rule.always and given == Level.DISABLED:
        document.fail(f"{rule.id} can't be disabled, or others would pass unseen; make it {Level.ADVISORY}", *place)
    return Level(str(given))


def _check_option(document: Document, rule: Rule, option: str, value: object) -> None:
    if option not in rule.options:
        document.fail(
            f"{rule.id} has no option '{option}'; {nearest(option, {*rule.options, _LEVEL})}", rule.id, option
        )
    kind = type(rule.options[option])
    if type(value) is not kind:
        words = "a whole number" if kind is int else "text"
        document.fail(f"'{option}' of {rule.id} must be {words}, not '{value}'; correct it", rule.id, option)
    known = rule.choices.get(option)
    if known and value not in known:
        document.fail(f"'{option}' of {rule.id} must be one of {', '.join(known)}, not '{value}'", rule.id, option)
    if isinstance(value, int) and value < 0:
        document.fail(f"'{option}' of {rule.id} must be at least 0, not {value}; raise it", rule.id, option)
