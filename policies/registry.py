"""All rules, in the order of their names."""

from __future__ import annotations

import pkgutil
from importlib import import_module
from typing import TYPE_CHECKING

from policies import rules

if TYPE_CHECKING:
    from policies.rule import Rule

__all__ = ["MODULES", "RULES"]

MODULES = {
    module.RULE.id: module
    for name in sorted(each.name for each in pkgutil.iter_modules(rules.__path__))
    for module in [import_module(f"{rules.__name__}.{name}")]
}
"""The module of each rule, by the rule's id; its examples are there."""

RULES: dict[str, Rule] = {name: module.RULE for name, module in MODULES.items()}
