"""Matrices, differences and pictures in every format, held against golden files."""

from __future__ import annotations

import csv
import io
import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from posture.model.access import Access
from posture.model.application import load_application
from posture.model.difference import compare, difference, matrices
from posture.model.entries import compile_entries
from posture.model.matrix import matrix
from posture.model.posture import load_posture
from posture.report.difference_csv import difference_csv
from posture.report.difference_json import difference_json
from posture.report.difference_markdown import difference_markdown
from posture.report.difference_text import difference_text
from posture.report.layers import layers
from posture.report.markdown import code
from posture.report.matrix_csv import matrix_csv
from posture.report.matrix_dot import matrix_dot
from posture.report.matrix_json import matrix_json
from posture.report.matrix_markdown import matrix_markdown
from posture.report.matrix_text import MOST_COLUMNS, matrix_text
from posture.report.mesh_svg import mesh_svg

if TYPE_CHECKING:
    from rich.console import RenderableType

    from posture.model.difference import Difference
    from posture.model.matrix import Matrix

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden" / "access"
APPLICATION = load_application(ROOT / "apps" / "bookinfo.yaml")
MATRICES = {
    "txt": matrix_text,
    "json": matrix_json,
    "md": matrix_markdown,
    "csv": matrix_csv,
    "dot": matrix_dot,
    "svg": mesh_svg,
}
DIFFERENCES = {"txt": difference_text, "json": difference_json, "md": difference_markdown, "csv": difference_csv}
PICTURES = {"dot": matrix_dot, "svg": mesh_svg}
PAIRS = [("deny-all", "layered-allow"), ("baseline", "rate-limited")]


def access_of(posture: str) -> Access:
    return Access(compile_entries(APPLICATION, load_posture(ROOT / "stacks", posture, APPLICATION)))


def matrix_of(posture: str) -> Matrix:
    return matrix(access_of(posture), APPLICATION, posture)


def difference_of(old: str, new: str) -> Difference:
    return compare(APPLICATION, (old, access_of(old)), (new, access_of(new)))


def plain(found: RenderableType) -> str:
    if isinstance(found, str):
        return found + "\n"
    console = Console(width=1000, file=io.StringIO(), record=True)
    console.print(found)
    return "\n".join(line.rstrip() for line in console.export_text().splitlines()) + "\n"


def check(name: str, found: str, *, update: bool) -> None:
    if update:
        (GOLDEN / name).write_text(found)
    assert found == (GOLDEN / name).read_text()


@pytest.mark.parametrize("form", MATRICES)
def test_a_matrix_is_the_golden_one(form: str, *, update_golden: bool) -> None:
    check(f"matrix-layered-allow.{form}", plain(MATRICES[form](matrix_of("layered-allow"))), update=update_golden)


@pytest.mark.parametrize("form", DIFFERENCES)
@pytest.mark.parametrize(("old", "new"), PAIRS)
def test_a_difference_is_the_golden_one(old: str, new: str, form: str, *, update_golden: bool) -> None:
    check(f"diff-{old}-{new}.{form}", plain(DIFFERENCES[form](difference_of(old, new))), update=update_golden)


@pytest.mark.parametrize("form", PICTURES)
@pytest.mark.parametrize(("old", "new"), PAIRS)
def test_a_picture_marks_what_changes(old: str, new: str, form: str, *, update_golden: bool) -> None:
    before, after = matrices(APPLICATION, (old, access_of(old)), (new, access_of(new)))
    found = PICTURES[form](after, difference(before, after))
    check(f"diff-{old}-{new}.{form}", plain(found), update=update_golden)


def test_a_call_that_closes_is_drawn_though_nobody_declares_it() -> None:
    """Without fortio's own calls, who calls it is no part of the application."""
    undeclared = APPLICATION.model_copy(
        update={"clients": {"fortio": APPLICATION.clients["fortio"].model_copy(update={"calls": ()})}}
    )
    before, after = matrices(
        undeclared, ("layered-allow", access_of("layered-allow")), ("deny-all", access_of("deny-all"))
    )
    found = difference(before, after)
    assert '"fortio" -> "productpage" [color=black, style=dotted, penwidth=3, label="closes"];' in matrix_dot(
        after, found
    )
    assert "fortio to productpage: closed, closes" in mesh_svg(after, found)


def test_csv_has_a_line_for_every_call_that_changes() -> None:
    found = difference_of("baseline", "rate-limited")
    rows = list(csv.DictReader(io.StringIO(difference_csv(found))))
    assert len(rows) == len(found.opened) + len(found.closed) + len(found.changed)
    assert [row["path"] for row in rows if row["change"] == "closes"] == [each.cell.path for each in found.closed]


def test_json_cells_have_the_fields_of_the_contract() -> None:
    found = json.loads(matrix_json(matrix_of("baseline")))
    assert found["posture"] == "baseline"
    assert {tuple(cell) for cell in found["cells"]} == {("source", "destination", "method", "path", "allowed", "rule")}


def test_csv_reads_back_as_the_cells() -> None:
    found = matrix_of("baseline")
    rows = list(csv.DictReader(io.StringIO(matrix_csv(found))))
    assert [row["allowed"] == "true" for row in rows] == [cell.allowed for cell in found.cells()]


def test_no_difference_says_so() -> None:
    same = difference_of("baseline", "baseline")
    assert plain(difference_text(same)) == "baseline and baseline are the same\n"
    assert difference_markdown(same).endswith("no difference")


def test_colour_is_for_terminals() -> None:
    found = matrix_text(matrix_of("baseline"))
    for terminal in (True, False):
        out = io.StringIO()
        Console(file=out, force_terminal=terminal, width=200, _environ={"TERM": "xterm"}).print(found)
        assert ("\x1b[" in out.getvalue()) is terminal


def test_many_callers_are_listed_instead_of_set_across() -> None:
    service = APPLICATION.services["details"]
    extra = {f"extra{i}": service for i in range(MOST_COLUMNS)}
    wide = APPLICATION.model_copy(update={"services": {**APPLICATION.services, **extra}})
    posture = load_posture(ROOT / "stacks", "layered-allow", APPLICATION)
    text = plain(matrix_text(matrix(Access(compile_entries(wide, posture)), wide, "x")))
    assert "service-intentions/details source productpage permission 1" in text
    assert "extra1 " not in text


def test_a_picture_is_self_contained_xml_for_light_and_dark() -> None:
    text = mesh_svg(matrix_of("layered-allow"))
    root = ET.fromstring(text)  # noqa: S314 - our own text
    assert "prefers-color-scheme:dark" in text
    assert not [value for element in root.iter() for value in element.attrib.values() if value.startswith("http")]
    assert text.count("http") == 1, "the namespace and nothing else"


def test_a_picture_of_odd_names_is_still_xml() -> None:
    odd = matrix_of("baseline")
    renamed = type(odd)('a<b>"&', odd.access, odd.sources, odd.rows, odd.declared)
    assert ET.fromstring(mesh_svg(renamed)).tag.endswith("svg")  # noqa: S314 - our own text


def test_layers_follow_the_calls_and_survive_circles() -> None:
    assert layers("abc", [("a", "b"), ("b", "c"), ("a", "c")]) == [["a"], ["b"], ["c"]]
    circle = layers("abc", [("a", "b"), ("b", "c"), ("c", "a")])
    assert sorted(name for layer in circle for name in layer) == ["a", "b", "c"]
    assert layers("ab", [("a", "a")]) == [["a", "b"]]


def test_markdown_keeps_bars_out_of_cells() -> None:
    assert code("/x|`y`") == "<code>/x\\|\\`y\\`</code>"
    assert code("/x*") == "`/x*`"
