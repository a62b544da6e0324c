"""Findings as SARIF 2.1.0, which code hosts show beside the line."""

from __future__ import annotations

import hashlib
import json
import os
from importlib.metadata import version
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from policies.registry import RULES
from policies.rule import Level
from posture.report.findings import words_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from policies.rule import Rule
    from posture.report.findings import Placed

__all__ = ["findings_sarif"]

_LEVELS = {Level.MANDATORY: "error", Level.ADVISORY: "warning"}


def findings_sarif(placed: Iterable[Placed], _judged: int) -> str:
    """One run with every rule, and a result for each finding; suppressed ones are marked, which hosts then hide."""
    names = list(RULES)
    driver = {
        "name": "consul-posture",
        "version": version("consul-posture"),
        "rules": [_rule(rule) for rule in RULES.values()],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(each, names.index(each.finding.rule.id)) for each in placed],
    }
    return json.dumps(
        {"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": [run]}, indent=2
    )


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "name": "".join(word.capitalize() for word in rule.title.split() if word.isalnum()),
        "shortDescription": {"text": f"{rule.title}."},
        "fullDescription": {"text": rule.why},
        "help": {"text": rule.mend},
        "defaultConfiguration": {"level": _LEVELS[rule.level]},
    }


def _result(placed: Placed, index: int) -> dict[str, Any]:
    finding, suppression = placed.finding, placed.finding.suppression
    # What is suppressed in one stack may be open in another, and a code host would take the two for one.
    alone = f" {suppression.stack}" if suppression and suppression.stack else ""
    result: dict[str, Any] = {
        "ruleId": finding.rule.id,
        "ruleIndex": index,
        "level": _LEVELS[finding.level],
        "message": {"text": words_of(finding)},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": quote(os.fsencode(placed.file))},
                    "region": {"startLine": placed.line},
                },
                "logicalLocations": [{"fullyQualifiedName": finding.resource}],
            }
        ],
        "partialFingerprints": {
            "finding/v1": hashlib.sha256(
                f"{finding.rule.id} {placed.file} {finding}{alone}".encode(errors="surrogateescape")
            ).hexdigest()
        },
    }
    if suppression:
        result["suppressions"] = [
            {
                "kind": "external",
                "status": "accepted",
                "justification": f"{suppression.reason} (until {suppression.expires})",
            }
        ]
    return result
