"""What a file says arrives in every report as data: read back by the format's own reader, it is what was written."""

from __future__ import annotations

import csv
import io
import json
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import lupa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from posture.errors import visible
from posture.model.limiter import limiter_of, lua_of
from posture.report.csv_lines import csv_lines
from posture.report.markdown import code, plain, row
from posture.report.xml_text import xml_text
from tests.hostile.sandbox import posture, said
from tests.hostile.words import PROFILE, TEXTS, written

if TYPE_CHECKING:
    from pathlib import Path

    from tests.hostile.sandbox import Answer, Sandbox

PATH_LETTERS = "".join(chr(i) for i in range(0x21, 0x7F) if chr(i) not in "?#")
PATHS = st.one_of(
    st.text(PATH_LETTERS, max_size=20),
    st.sampled_from(TEXTS).map(lambda text: re.sub(r"[^!-\"$->@-~]", "", text)[:200]),
).map(lambda text: f"/{text}")
ANY_TEXT = st.one_of(st.sampled_from(TEXTS), st.text(max_size=20))
HEADER_NAMES = st.text("!#$%&'*+.^_`|~09azAZ-", min_size=1, max_size=8)


@st.composite
def projects(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    """An application and a posture that are right, and say what they say in hostile words."""
    path, other = draw(PATHS), draw(PATHS)
    application: dict[str, Any] = {
        "description": draw(ANY_TEXT),
        "services": {
            "front": {"port": 80, "command": [draw(ANY_TEXT)], "calls": [{"to": "back", "path": path}]},
            "back": {"port": 80, "command": ["x", draw(ANY_TEXT)]},
        },
        "gateway": {"routes": [{"exact": other, "to": "front"}]},
    }
    grants: list[dict[str, Any]] = [
        {"name": "a", "description": draw(ANY_TEXT), "from": "front", "to": "back"},
        {"name": "b", "from": "gateway", "to": "front"},
    ]
    grants[0]["permissions"] = [
        {"pathExact": path, "methods": ["GET"]},
        {"pathPrefix": other, "header": [{"name": draw(HEADER_NAMES), "exact": draw(ANY_TEXT) or "x"}]},
    ]
    limits = {"c": {"on": "back", "routes": [{"pathExact": path, "requestsPerSecond": 5}]}}
    return application, {"description": draw(ANY_TEXT), "grants": grants, "limits": limits}


def asked(sandbox: Sandbox, folder: Path, project: tuple[Any, Any], *command: str) -> Answer:
    application, stack = project
    (folder / "apps/shop.yaml").write_text(written(application))
    (folder / "stacks/mine.yaml").write_text(written(stack))
    (folder / "Pulumi.dev.yaml").write_text(
        "config: {consul-posture:application: shop, consul-posture:posture: mine}\n"
    )
    answer = said(sandbox.ask(posture, folder, *command), [0, 1])
    assert not (folder / "owned").exists()
    return answer


def paths_of(project: tuple[Any, Any]) -> set[str]:
    return {project[0]["services"]["front"]["calls"][0]["path"], project[0]["gateway"]["routes"][0]["exact"]}


class Table(HTMLParser):
    """The texts of a page's table cells, row by row, and its tags."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.tags: set[str] = set()
        self._inside = False
        self.feed(page)

    def handle_starttag(self, tag: str, _attrs: Any) -> None:
        self.tags.add(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in {"td", "th"}:
            self._inside = True
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag not in {"td", "th"}

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.rows[-1][-1] += data


def table(markdown: str) -> Table:
    return Table(MarkdownIt("commonmark", {"html": True}).enable("table").enable("strikethrough").render(markdown))


KEPT = {
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "code",
    "h3",
    "p",
    "strong",
    "ul",
    "li",
    "details",
    "summary",
    "em",
}


def test_a_matrix_is_read_back(sandbox: Sandbox, folder: Path) -> None:
    @PROFILE(60)
    @given(projects())
    def holds(project: tuple[Any, Any]) -> None:
        ask = [json.loads(asked(sandbox, folder, project, "matrix", "--format", "json").out)]
        found = {cell["path"] for cell in ask[0]["cells"]}
        assert found >= paths_of(project)
        lines = list(csv.DictReader(io.StringIO(asked(sandbox, folder, project, "matrix", "--format", "csv").out)))
        assert [line["path"] for line in lines] == [cell["path"] for cell in ask[0]["cells"]]
        assert all(None not in line and None not in line.values() for line in lines)
        page = table(asked(sandbox, folder, project, "matrix", "--format", "md").out)
        assert page.tags <= KEPT
        assert {cells[1].partition(" ")[2].replace("\u200b", "") for cells in page.rows[1:]} == found
        assert len({len(cells) for cells in page.rows}) == 1
        picture = ET.fromstring(asked(sandbox, folder, project, "matrix", "--format", "svg").out)  # noqa: S314 - ours
        assert {each.tag.rpartition("}")[2] for each in picture.iter()} <= {
            *("svg", "title", "style", "rect", "marker", "path", "g", "text")
        }
        graph = asked(sandbox, folder, project, "matrix", "--format", "dot").out
        assert re.fullmatch(
            r'digraph "mine" \{\n(  [^\n"]*("[a-z]+"( -> "[a-z]+")?)?[^\n"]*("[^"\n]*"[^"\n]*)*;\n)+\}\n', graph
        )

    holds()


def test_a_difference_is_read_back(sandbox: Sandbox, folder: Path) -> None:
    @PROFILE(40)
    @given(projects())
    def holds(project: tuple[Any, Any]) -> None:
        (folder / "stacks/closed.yaml").write_text("description: nothing\n")
        command = ("diff", "closed", "mine", "--format")
        found = json.loads(asked(sandbox, folder, project, *command, "json").out)
        assert found
        page = table(asked(sandbox, folder, project, *command, "md").out)
        assert page.tags <= KEPT
        lines = list(csv.reader(io.StringIO(asked(sandbox, folder, project, *command, "csv").out)))
        assert {len(line) for line in lines} == {8}
        asked(sandbox, folder, project, *command, "text")

    holds()


def test_findings_are_read_back(sandbox: Sandbox, folder: Path) -> None:
    @PROFILE(60)
    @given(ANY_TEXT.filter(lambda text: text != ""), ANY_TEXT)
    def holds(name: str, source: str) -> None:
        entry = {
            "Kind": "service-intentions",
            "Name": name,
            "Sources": [{"Name": "*", "Description": source, "Action": "allow"}],
        }
        (folder / "entry.yaml").write_text(written(entry))
        forms = {
            form: said(sandbox.ask(posture, folder, "policy", "entry.yaml", "--format", form), [1]).out
            for form in ("json", "sarif", "junit", "text")
        }
        wanted = f"service-intentions/{name}"
        assert wanted in {each["resource"] for each in json.loads(forms["json"])["findings"]}
        (run,) = json.loads(forms["sarif"])["runs"]
        places = [each["locations"][0]["logicalLocations"][0]["fullyQualifiedName"] for each in run["results"]]
        assert wanted in places
        report = ET.fromstring(forms["junit"])  # noqa: S314 - ours
        words = "".join(each.text or "" for each in report.iter("failure"))
        assert xml_text(wanted).replace("\r\n", "\n").replace("\r", "\n") in words
        assert {each.tag for each in report.iter()} <= {"testsuites", "testsuite", "testcase", "failure", "system-out"}
        assert all(line.isprintable() for line in forms["text"].split("\n"))

    holds()


@PROFILE(300)
@given(ANY_TEXT)
def test_a_cell_of_markdown_is_one_cell_of_text(text: str) -> None:
    page = table("\n".join([row("a", "b", "c"), row("---", "---", "---"), row(plain(text), code(text), "end")]))
    assert page.tags <= KEPT - {"h3", "strong", "em"}
    first, second, end = page.rows[1]
    wanted = " ".join(text.replace("\0", "\ufffd").split())
    assert first.replace("\u200b", "") == wanted.replace("\u200b", "")
    assert " ".join(second.replace("\u200b", "").split()) == wanted.replace("\u200b", "")
    assert end == "end"


@PROFILE(200)
@given(st.lists(ANY_TEXT, min_size=1, max_size=4))
def test_a_line_of_csv_is_text_and_no_formula(cells: list[str]) -> None:
    _, line = csv.reader(io.StringIO(csv_lines(["x"] * len(cells), [cells]) + "\n", newline=""))
    assert [cell.removeprefix("'") for cell in line] == [visible(cell).removeprefix("'") for cell in cells]
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in line)


@PROFILE(100)
@given(st.lists(PATHS, min_size=1, max_size=3), st.sampled_from(["exact", "prefix"]))
def test_a_path_in_a_limiter_is_a_text_of_lua(paths: list[str], kind: str) -> None:
    limits = [{"of": "route", "name": f"GET {path}", "rate": 5, "burst": 5, kind: path} for path in paths]
    program = lua_of("back", 1, limits)
    found = limiter_of(program)
    assert found is not None
    assert list(found.limits) == limits
    lua = lupa.LuaRuntime()
    lua.execute("os = nil io = nil require = nil")
    lua.execute(program.replace("local LIMITS", "LIMITS"))
    assert [lua.globals().LIMITS[i + 1][kind] for i in range(len(paths))] == paths


@PROFILE(200)
@given(st.text(), st.sampled_from([*TEXTS, "9" * 5_000, '{ of = "x", burst = ' + "9" * 5_000 + " },"]))
def test_any_program_is_read_as_a_limiter_or_none(text: str, hostile: str) -> None:
    ours = lua_of("back", 1, [{"of": "service", "name": "a", "rate": 5, "burst": 5}])
    for program in (text, ours.replace("WORKERS = 1", f"WORKERS = {hostile}"), ours.replace("= 5", f"= {hostile}", 1)):
        found = limiter_of(program)
        assert found is None or lua_of(*found) == program


@pytest.mark.parametrize("text", [text for text in TEXTS if text not in {"null", "true"}])
def test_a_name_that_another_language_would_read_is_refused(text: str, sandbox: Sandbox, folder: Path) -> None:
    """So the rules of tokens (HCL), programs' sections (INI) and Consul's answers hold no such name."""
    application: dict[str, Any] = {
        "description": "x",
        "services": {"back": {"port": 80, "command": ["x"]}, text: {"port": 80, "command": ["x"]}},
        "gateway": {"routes": [{"exact": "/", "to": "back"}]},
    }
    (folder / "apps/bookinfo.yaml").write_text(written(application))
    said(sandbox.ask(posture, folder, "matrix"), [2])
    application["services"] = {"back": {"port": 80, "command": ["x"], "versions": [text]}}
    (folder / "apps/bookinfo.yaml").write_text(written(application))
    said(sandbox.ask(posture, folder, "matrix"), [2])
