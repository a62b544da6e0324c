"""A verification for continuous integration: JUnit XML, in the form that its readers have in common.

There is no standard; this follows the fields on which the readers of GitLab, Jenkins and pytest agree. A call or a
finding is a test case, what was not measured is a skipped one.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from posture.report.xml_text import xml_text
from posture.verify.findings import Outcome, Section

if TYPE_CHECKING:
    from collections.abc import Iterator

    from posture.verify.findings import Verification

__all__ = ["verification_junit"]


class _Case(NamedTuple):
    suite: Section
    group: str
    name: str
    outcome: Outcome
    words: str


def verification_junit(verification: Verification) -> str:
    """One test suite a section that has anything, one test case a call or finding."""
    suites = defaultdict(list)
    for case in _cases(verification):
        suites[case.suite].append(case)
    root = Element("testsuites", _counts([case for cases in suites.values() for case in cases]))
    root.set("name", f"posture verify {verification.posture} on {verification.stack}")
    root.set("time", str(verification.seconds))
    for section in Section:
        if section in suites:
            suite = SubElement(root, "testsuite", {"name": section.value, **_counts(suites[section])})
            suite.set("timestamp", verification.started)
            for case in suites[section]:
                _add(suite, case)
    indent(root)
    return tostring(root, encoding="unicode", xml_declaration=True)


def _cases(verification: Verification) -> Iterator[_Case]:
    for each in verification.cells:
        cell = each.cell
        expected = f"{'allowed' if cell.allowed else 'denied'} by {cell.rule}"
        name = f"{cell.source} → {cell.destination} {cell.method} {cell.path}"
        yield _Case(Section.CALLS, cell.destination, name, each.outcome, f"{expected}; the mesh: {each.observed}")
    for finding in verification.findings:
        words = f"expected: {finding.expected}; observed: {finding.observed}"
        yield _Case(finding.section, finding.section.value, finding.name, finding.outcome, words)


def _counts(cases: list[_Case]) -> dict[str, str]:
    failures = sum(case.outcome is Outcome.FAILS for case in cases)
    skipped = sum(case.outcome is Outcome.NOT_MEASURED for case in cases)
    return {"tests": str(len(cases)), "failures": str(failures), "skipped": str(skipped), "errors": "0"}


def _add(suite: Element, case: _Case) -> None:
    element = SubElement(suite, "testcase", {"classname": xml_text(case.group), "name": xml_text(case.name)})
    if case.outcome is Outcome.FAILS:
        SubElement(element, "failure", {"message": xml_text(case.words)})
    elif case.outcome is Outcome.NOT_MEASURED:
        SubElement(element, "skipped", {"message": xml_text(case.words)})
