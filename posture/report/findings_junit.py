"""Findings as JUnit XML: a test case for each rule, which fails once for each finding that refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from policies.registry import RULES
from posture.report.findings import alone, words_of
from posture.report.xml_text import xml_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from posture.report.findings import Placed

__all__ = ["findings_junit"]


def findings_junit(placed: Iterable[Placed], _judged: int) -> str:
    """Rules by id; advice and what is suppressed is the output of a case that passes."""
    placed = list(placed)
    failures = [each for each in placed if each.finding.refuses]
    failed = {each.finding.rule.id for each in failures}
    counts = {"tests": str(len(RULES)), "failures": str(len(failed)), "errors": "0", "skipped": "0"}
    root = Element("testsuites", {"name": "posture policy", **counts})
    suite = SubElement(root, "testsuite", {"name": "policies", **counts})
    for rule in RULES.values():
        case = SubElement(suite, "testcase", {"classname": "policies", "name": xml_text(f"{rule.id} {rule.title}")})
        own = [each for each in placed if each.finding.rule.id == rule.id]
        refused = [_line(each) for each in own if each.finding.refuses]
        others = [_line(each) for each in own if not each.finding.refuses]
        if refused:
            message = f"{len(refused)} found: {rule.why}"
            SubElement(case, "failure", {"message": xml_text(message)}).text = xml_text("\n".join(refused))
        if others:
            SubElement(case, "system-out").text = xml_text("\n".join(others))
    indent(root)
    return tostring(root, encoding="unicode", xml_declaration=True)


def _line(placed: Placed) -> str:
    suppression = placed.finding.suppression
    mark = f" (suppressed until {suppression.expires}{alone(suppression)}: {suppression.reason})" if suppression else ""
    return f"{placed.file}:{placed.line}: {words_of(placed.finding)}{mark}"
