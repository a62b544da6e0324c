"""A verification for people, for machines and for continuous integration says the same thing."""

from __future__ import annotations

import io
import json
import xml.etree.ElementTree as ET

import pytest
from rich.console import Console

from posture.model.matrix import Cell
from posture.report.verification_json import verification_json
from posture.report.verification_junit import verification_junit
from posture.report.verification_text import MOST_COLUMNS, verification_text
from posture.verify.findings import Finding, ObservedCell, Outcome, Section, Verification

AGREES = ObservedCell(Cell("web", "api", "GET", "/a", True, "service-intentions/api source web"), 200, agrees=True)  # noqa: FBT003 - a tuple's field
DENIED = ObservedCell(Cell("unknown", "api", "GET", "/a", False, "default policy deny"), 403, agrees=True)  # noqa: FBT003 - as above
OPEN = ObservedCell(
    Cell("fortio", "api", "GET", "/a", False, "default policy deny"),  # noqa: FBT003 - as above
    "200 from the application",
    agrees=False,
)
UNASKED = ObservedCell(
    Cell("web", "db", "GET", "/", True, "service-intentions/db source web"),  # noqa: FBT003 - as above
    "no connection left",
    agrees=False,
    measured=False,
)
FINDINGS = (
    Finding(Section.DRIFT, "service-intentions/api", Outcome.FAILS, "as p has it", "opens fortio → api"),
    Finding(Section.MTLS, "api refuses plaintext", Outcome.HOLDS, "refused", "refused"),
    Finding(Section.MTLS, "a capture", Outcome.NOT_MEASURED, "TLS records", "CAP_NET_RAW is missing"),
)


def verification(*cells: ObservedCell, findings: tuple[Finding, ...] = ()) -> Verification:
    return Verification("dev", "p", "2026-01-02T03:04:05+00:00", 1.25, cells, findings)


GOOD = verification(AGREES, DENIED, UNASKED, findings=FINDINGS[1:])
BAD = verification(AGREES, DENIED, OPEN, UNASKED, findings=FINDINGS)


def text_of(found: Verification) -> list[str]:
    stream = io.StringIO()
    Console(file=stream, width=200).print(verification_text(found))
    return [line.rstrip() for line in stream.getvalue().splitlines()]


def test_what_was_not_measured_neither_holds_nor_fails() -> None:
    assert GOOD.holds
    assert not BAD.holds
    assert not verification(findings=FINDINGS[:1]).holds
    assert not verification(OPEN).holds


def test_the_text_shows_both_answers_and_lists_what_disagrees() -> None:
    lines = text_of(BAD)
    assert lines[0].split() == ["destination", "request", "web", "unknown", "fortio"]
    assert lines[1].split() == ["api", "GET", "/a", "✓", "200", "·", "403", "·", "200"]
    assert lines[2].split() == ["db", "GET", "/", "✓", "?"]
    text = "\n".join(lines)
    assert "disagrees (1)\n✗  fortio → api GET /a  denied by default policy deny  the mesh: 200 from the appl" in text
    assert "does not hold (1)\n✗  drift  service-intentions/api" in text
    assert "not measured (1)\n?  mtls  a capture" in text
    assert "mtls   1 holds, 1 not measured" in text
    assert lines[-1] == (
        "p on dev does not hold: 2 of 3 calls agree, 1 could not be asked; 1 of 3 findings fail (1.2 s)"
    )


def test_the_text_of_a_good_one_lists_no_disagreement() -> None:
    lines = text_of(GOOD)
    assert not any(line.startswith(("disagrees", "does not hold")) for line in lines)
    assert lines[-1] == "p on dev holds: 2 of 2 calls agree, 1 could not be asked (1.2 s)"


def test_the_text_leaves_out_a_matrix_that_is_too_wide() -> None:
    cells = [
        ObservedCell(Cell(f"s{i}", "api", "GET", "/", False, "r"), 403, agrees=True)  # noqa: FBT003 - as above
        for i in range(MOST_COLUMNS + 1)
    ]
    lines = text_of(verification(*cells, OPEN))
    assert not any("destination" in line for line in lines)
    assert any("fortio → api" in line for line in lines)


def test_json_is_the_matrix_with_what_was_observed() -> None:
    content = json.loads(verification_json(BAD))
    assert (content["posture"], content["stack"], content["holds"]) == ("p", "dev", False)
    assert content["cells"][0] == {
        "source": "web",
        "destination": "api",
        "method": "GET",
        "path": "/a",
        "allowed": True,
        "rule": "service-intentions/api source web",
        "observed": 200,
        "outcome": "holds",
    }
    assert [cell["outcome"] for cell in content["cells"]] == ["holds", "holds", "fails", "not measured"]
    assert content["findings"][0] == {
        "section": "drift",
        "name": "service-intentions/api",
        "outcome": "fails",
        "expected": "as p has it",
        "observed": "opens fortio → api",
        "figures": {},
        "moments": [],
    }


def test_junit_has_a_case_for_each_call_and_finding() -> None:
    root = ET.fromstring(verification_junit(BAD))  # noqa: S314 - our own text
    assert root.tag == "testsuites"
    assert {key: root.get(key) for key in ("tests", "failures", "skipped", "errors")} == {
        "tests": "7",
        "failures": "2",
        "skipped": "2",
        "errors": "0",
    }
    assert [suite.get("name") for suite in root] == ["calls", "drift", "mtls"]
    assert sum(int(suite.get("tests", "")) for suite in root) == len(root.findall(".//testcase")) == 7
    [call, drift] = [case for case in root.iter("testcase") if case.find("failure") is not None]
    assert (call.get("classname"), call.get("name")) == ("api", "fortio → api GET /a")
    assert drift.get("name") == "service-intentions/api"


@pytest.mark.parametrize("words", ["\x00\x1b[31m", "<&\">'", "\ud800", "]]>"])
def test_junit_is_well_formed_whatever_a_mesh_answers(words: str) -> None:
    cell = ObservedCell(OPEN.cell, words, agrees=False)
    finding = Finding(Section.BYPASS, words, Outcome.FAILS, words, words)
    root = ET.fromstring(verification_junit(verification(cell, findings=(finding,))).encode())  # noqa: S314 - as above
    assert len(root.findall(".//failure")) == 2
