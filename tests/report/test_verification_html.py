"""The page of a verification, in a real browser: nothing fetched, nothing complained of, every cell to be read."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe

from posture.model.access import Access
from posture.model.application import load_application
from posture.model.entries import compile_entries
from posture.model.matrix import Cell, matrix
from posture.model.posture import load_posture
from posture.report.verification_html import MOST_COLUMNS, verification_html
from posture.verify.findings import Finding, Moment, ObservedCell, Outcome, Section, Verification

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

    from posture.model.matrix import Matrix

Scheme = Literal["light", "dark"]
ROOT = Path(__file__).parents[2]
APPLICATION = load_application(ROOT / "apps" / "bookinfo.yaml")
NASTY = "<script>alert(1)</script>\"'&amp;--></style>{{ 7 * 7 }}"
ERROR = f"TLS handshake failed after 3 s: {NASTY}"
FINDINGS = (
    Finding(Section.DRIFT, "every entry is the posture's", Outcome.HOLDS, "no other entry", "no other entry"),
    Finding(Section.MTLS, "plain text to details", Outcome.HOLDS, "refused", "connection reset"),
    Finding(Section.MTLS, "what the wire shows", Outcome.NOT_MEASURED, "TLS records only", "needs CAP_NET_RAW"),
    Finding(Section.BYPASS, "details: GET /details/..%2fadmin", Outcome.HOLDS, "refused or 403", "400"),
    Finding(
        Section.LIMITS,
        "productpage: one connection",
        Outcome.HOLDS,
        "some 503",
        "104 times 200, 96 times 503",
        {"200": 104, "503": 96},
    ),
    Finding(Section.LIMITS, "productpage: no limit", Outcome.HOLDS, "no 503", "52 times 200", {"200": 52}),
    Finding(
        Section.LIMITS,
        "productpage: 5/s in all",
        Outcome.HOLDS,
        "15 in 2 s, the rest 429",
        "15 of 40 let through",
        {"200": 15, "429": 25},
        (Moment(0, 20, 12), Moment(1, 20, 3)),
    ),
)
LONG_WAY = "visitor → gateway → productpage"
ATTEMPTS = tuple(
    Finding(
        Section.BYPASS,
        f"{who}: {what}",
        Outcome.FAILS
        if (who, what) == ("a → b", "slashes")
        else Outcome.NOT_MEASURED
        if who == "c → d"
        else Outcome.HOLDS,
        "each refused, or decided as what it is",
        f"GET //admin/ at b-v1: answered, 200; the model: denied; and {what} {' '.join(['more'] * 6)}",
    )
    for who in ("a → b", "c → d", LONG_WAY)
    for what in ("slashes", "dot segments", "hosts", "versions", "request smuggling", *(f"kind {i}" for i in range(5)))
)
BAD = Finding(
    Section.DRIFT, f"intention {NASTY}", Outcome.FAILS, "no other entry", "service-intentions/ratings: * allow"
)

PHONE, DESK, PAPER = 360, 1280, 1047
"""Widths in CSS pixels; A4 on its side is 277 mm of them between the page's margins."""

UNREADABLE = """() => {
  const numbers = colour => colour.match(/[\\d.]+/g).map(Number);
  const luminance = colour => {
    const [r, g, b] = numbers(colour).map(v => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b;
  };
  const contrast = (a, b) => {
    const [dark, light] = [luminance(a), luminance(b)].sort((x, y) => x - y);
    return (light + .05) / (dark + .05);
  };
  const behind = element => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if ((numbers(colour)[3] ?? 1) === 1) return colour;
    }
    return 'rgb(255, 255, 255)';
  };
  const found = [];
  const paint = selector => getComputedStyle(document.querySelector(selector)).fill;
  const words = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let text; (text = words.nextNode());) {
    if (!text.data.trim() || text.parentElement.closest('.unseen, title, style')) continue;
    const element = text.parentElement, style = getComputedStyle(element), drawn = element.matches('svg *');
    for (const back of drawn ? [paint('.mesh .node'), paint('.mesh .paper')] : [behind(element)]) {
      const measured = contrast(drawn ? style.fill : style.color, back);
      if (measured < 4.5) found.push(`contrast ${measured.toFixed(2)}: ${text.data.trim()}`);
    }
    const cell = element.closest('td, th');
    if (!cell || style.clipPath !== 'none' || cell.closest('[style*=clip], thead')?.offsetWidth === 1) continue;
    const range = document.createRange();
    range.selectNodeContents(text);
    const inner = range.getBoundingClientRect(), outer = cell.getBoundingClientRect();
    if (inner.left < outer.left - 1 || inner.right > outer.right + 1
        || inner.top < outer.top - 1 || inner.bottom > outer.bottom + 1) found.push(`cut off: ${text.data.trim()}`);
    if (inner.width < 1 || inner.height < 8) found.push(`too small: ${text.data.trim()}`);
  }
  for (const table of document.querySelectorAll('.map')) {
    const boxes = [...table.querySelectorAll('td, th')].map(cell => [cell, cell.getBoundingClientRect()]);
    boxes.forEach(([one, a], i) => boxes.slice(i + 1).forEach(([other, b]) => {
      const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      if (across > 1 && down > 1) found.push(`overlap: ${one.innerText} / ${other.innerText}`);
    }));
  }
  return found;
}"""
TOO_WIDE = """() => [...document.querySelectorAll('body *')]
  .filter(e => !e.closest('.unseen, thead') && e.getBoundingClientRect().right > innerWidth + 1)
  .map(e => e.outerHTML.slice(0, 80))"""


def matrix_of(posture: str) -> Matrix:
    entries = compile_entries(APPLICATION, load_posture(ROOT / "stacks", posture, APPLICATION))
    return matrix(Access(entries), APPLICATION, posture)


def answer(cell: Cell, *, agrees: bool = True) -> ObservedCell:
    return ObservedCell(cell, 200 if cell.allowed is agrees else 403, agrees)


def verified(posture: str) -> tuple[Verification, Matrix]:
    found = matrix_of(posture)
    cells = tuple(answer(cell) for cell in found.cells())
    return Verification("dev", posture, "2026-11-23T22:49:35+00:00", 9.34, cells, FINDINGS), found


def holding() -> tuple[Verification, Matrix]:
    return verified("layered-allow")


def failing() -> tuple[Verification, Matrix]:
    """An open call that should be denied, a denied one that should be open, one without an answer, and drift."""
    verification, found = verified("layered-allow")
    cells = list(verification.cells)
    opened = next(i for i, cell in enumerate(cells) if cell.cell[:4] == ("details", "ratings", "GET", "/ratings/0"))
    closed = next(i for i, cell in enumerate(cells) if cell.cell[:2] == ("productpage", "reviews"))
    silent = next(i for i, cell in enumerate(cells) if cell.cell[:2] == ("fortio", "details"))
    for i in (opened, closed):
        cells[i] = answer(cells[i].cell, agrees=False)
    cells[silent] = ObservedCell(cells[silent].cell, ERROR, agrees=False)
    return replace(verification, cells=tuple(cells), findings=(*FINDINGS, *ATTEMPTS, BAD)), found


def odd() -> tuple[Verification, Matrix]:
    """Many callers, names as long as names may be, and names that nobody would choose."""
    verification, found = verified("deny-all")
    names = [f"{'a-very-long-name-of-a-service-indeed' if i % 3 else 'shortbutunbreakable' * 3}-{i}" for i in range(20)]
    names.append(NASTY)
    cells = [
        answer(Cell(name, NASTY if name in names[-2:] else destination, "GET", f"/{'x' * 90}", allowed=False, rule="-"))
        for name in names
        for destination in ("details", "reviews")
    ]
    unasked = replace(verification.cells[0], observed="no connection left", agrees=False, measured=False)
    return replace(verification, stack=NASTY, cells=(unasked, *verification.cells[1:], *cells), findings=(BAD,)), found


CASES = {"holding": holding, "failing": failing, "odd": odd}


@dataclass
class Opener:
    """Opens pages and keeps what they asked for and complained of."""

    browser: Browser
    folder: Path
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    @contextmanager
    def open(self, case: str, width: int = DESK, scheme: Scheme = "light") -> Iterator[Page]:
        file = self.folder / f"{case}.html"
        file.write_text(verification_html(*CASES[case]()), encoding="utf-8")
        page = self.browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.goto(file.as_uri())
        yield page
        page.close()


@pytest.fixture
def opener(browser: Browser, tmp_path: Path) -> Opener:
    return Opener(browser, tmp_path)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [PHONE, DESK])
def test_every_cell_can_be_read(opener: Opener, case: str, scheme: Scheme, width: int) -> None:
    with opener.open(case, width, scheme) as page:
        assert page.evaluate(UNREADABLE) == []


@pytest.mark.parametrize("case", CASES)
def test_the_page_asks_for_nothing_and_the_console_stays_empty(opener: Opener, case: str) -> None:
    with opener.open(case) as page:
        page.wait_for_load_state("networkidle")
        assert [url for url in opener.requests if not url.startswith("data:")] == [page.url]
        assert opener.complaints == []


def test_what_a_name_might_smuggle_in_is_stopped_by_the_page_s_own_policy(opener: Opener) -> None:
    with opener.open("holding") as page:
        page.evaluate("document.body.append(Object.assign(new Image(), {src: 'http://127.0.0.1:9/x.png'}))")
        page.wait_for_function("document.images[0].complete")
        assert any("Content Security Policy" in each for each in opener.complaints)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_violation(opener: Opener, case: str, scheme: Scheme) -> None:
    with opener.open(case, PHONE, scheme) as page:
        violations: list[Any] = Axe().run(page).response["violations"]
        assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in violations] == []


@pytest.mark.parametrize("case", CASES)
def test_a_phone_scrolls_the_matrix_in_its_box_and_keeps_the_requests_in_sight(opener: Opener, case: str) -> None:
    with opener.open(case, PHONE) as page:
        assert page.evaluate("document.documentElement.scrollWidth") == PHONE
        box = page.locator(".box").first
        box.evaluate("box => box.scrollLeft = box.scrollWidth")
        last = box.locator("tbody tr:nth-child(2) td").last.bounding_box()
        first = box.locator("tbody tr:nth-child(2) th").first.bounding_box()
        assert last
        assert first
        assert last["x"] + last["width"] <= PHONE
        assert 0 <= first["x"] < first["x"] + first["width"] <= last["x"]


@pytest.mark.parametrize("case", CASES)
def test_print_is_light_and_cuts_nothing_off(opener: Opener, case: str) -> None:
    with opener.open(case, PAPER, "dark") as page:
        page.emulate_media(media="print", color_scheme="dark")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert page.evaluate(TOO_WIDE) == []
        assert page.evaluate(UNREADABLE) == []
        assert page.pdf(prefer_css_page_size=True).startswith(b"%PDF-")


def test_the_verdict_comes_first_and_says_what_disagrees(opener: Opener) -> None:
    with opener.open("failing") as page:
        text = page.inner_text("body")
        assert text.startswith("≠ layered-allow does not hold on dev\n")
        assert "3 of 96 requests answered otherwise" in text
        assert "2 of 38 other checks failed" in text
        rows = page.locator("section[aria-labelledby=disagrees] tbody tr").all_inner_texts()
        assert len(rows) == 5
        assert rows[0].startswith("Drift, intention <script>")
        opened = next(row for row in rows if "details → ratings GET /ratings/0" in row)
        assert opened.split("\t")[1:] == ["denied by service-intentions/ratings source *", "200"]
        assert any(ERROR in row for row in rows)
        assert rows[-1].startswith("Bypass attempts, a → b: slashes")


def test_a_posture_that_holds_says_so_and_for_how_much(opener: Opener) -> None:
    with opener.open("holding") as page:
        text = page.inner_text("body")
        assert text.startswith("✓ layered-allow holds on dev\n")
        assert "answered 96 requests as the model does" in text
        assert page.locator("#disagrees").count() == 0
        facts = dict(zip(page.locator("dt").all_inner_texts(), page.locator("dd").all_inner_texts(), strict=True))
        assert facts == {
            "Stack": "dev",
            "Posture": "layered-allow (default deny)",
            "Started": "2026-11-23 22:49:35 UTC",
            "Took": "9.3 s",
        }


def test_a_disagreement_shows_without_colour(opener: Opener) -> None:
    with opener.open("failing") as page:
        wrong = page.locator(".map >> nth=0 >> td.wrong").all_inner_texts()
        assert [" ".join(text.split()) for text in wrong] == [
            "≠ model ✕ mesh TLS handshake failed af…",
            "≠ model ✓ mesh 403",
            "≠ model ✕ mesh 200",
        ]
        assert page.locator(".map td", has_text="≠").count() == 3
        assert page.locator("svg .marked").count() == 3
        assert page.locator("svg title", has_text="details to ratings: closed, disagrees").count() == 1


def test_a_cell_s_title_has_its_rule(opener: Opener) -> None:
    with opener.open("failing") as page:
        titles = [each.get_attribute("title") or "" for each in page.locator(".map").first.locator("td[title]").all()]
    assert len(titles) == 96
    rule = "service-intentions/details source productpage permission 1"
    assert f"productpage → details GET /details/0: allowed by {rule}; the mesh answered 200" in titles
    assert any(title.endswith(ERROR) for title in titles)


def test_many_attempts_on_many_ways_are_set_across_and_the_bad_ones_listed_in_full(opener: Opener) -> None:
    with opener.open("failing") as page:
        part = page.locator("section[aria-labelledby=part-bypass]")
        assert part.locator("thead th").all_inner_texts()[:5] == ["attempt", "details", "a → b", "c → d", LONG_WAY]
        assert part.locator(".map td.wrong").all_inner_texts() == [
            "✕ GET //admin/ at b-v1: answered, 200; the model: denied; and…"
        ]
        assert part.locator(".map td.unmeasured").count() == 10
        listed = part.locator(".list tbody tr").all_inner_texts()
        assert len(listed) == 11
        assert listed[0].startswith("a → b: slashes\t✕ fails\t")
        assert listed[0].endswith("and slashes more more more more more more")


def test_what_was_not_measured_is_said_with_its_reason_and_counts_as_nothing(opener: Opener) -> None:
    with opener.open("holding") as page:
        assert page.locator("section[aria-labelledby=not-measured] li").all_inner_texts() == [
            "Mutual TLS, what the wire shows: needs CAP_NET_RAW",
            "Outside the mesh: this run tried nothing of it",
        ]
        assert "2 things were not measured" in page.inner_text(".verdict")
        assert "1 not measured, 1 holds." in page.inner_text("section[aria-labelledby=part-mtls]")


def test_a_cell_that_could_not_be_asked_is_neither_right_nor_wrong(opener: Opener) -> None:
    with opener.open("odd") as page:
        assert page.locator(".map td.unmeasured").all_inner_texts() == ["✓ ?"]
        why = page.locator(".map td.unmeasured").get_attribute("title") or ""
        assert why.endswith("not measured: no connection left")
        assert "0 of 137 requests answered otherwise" in page.inner_text(".verdict")
        assert page.locator("#disagrees").count() == 1, "for the drift, and nothing else"
        assert page.locator("section[aria-labelledby=disagrees] tbody tr").count() == 1


def test_names_and_answers_are_text_whatever_they_hold(opener: Opener) -> None:
    for case in ("failing", "odd"):
        with opener.open(case) as page:
            assert page.locator("script").count() == 0
            assert page.get_by_text(NASTY).count() > 0
            assert "49" not in page.inner_text(".verdict")


def test_limits_are_plotted_to_one_scale_and_said_in_words(opener: Opener) -> None:
    with opener.open("holding") as page:
        plots = page.locator("section[aria-labelledby=part-limits] svg.bars")
        assert [plot.get_attribute("aria-label") for plot in plots.all()] == [
            "104 times 200, 96 times 503",
            "52 times 200",
        ]
        widths = [float(bar.get_attribute("width") or 0) for bar in plots.locator("rect").all()]
        assert widths == pytest.approx([190, 190 * 96 / 104, 95], abs=0.1)
        assert page.locator(".bars .refused").count() == 1


def test_a_load_is_drawn_over_time_and_said_in_words(opener: Opener) -> None:
    with opener.open("holding") as page:
        picture = page.locator("svg.load")
        assert picture.get_attribute("aria-label") == "in 2.0 s 20/s offered, 8/s let through"
        assert picture.locator("polyline").get_attribute("points") == "44.0,24.0 212.0,24.0 212.0,24.0 380.0,24.0"
        area = picture.locator("polygon").get_attribute("points") or ""
        assert area == "44.0,130.0 44.0,66.4 212.0,66.4 212.0,114.1 380.0,114.1 380.0,130.0"
        assert picture.locator("text").all_text_contents()[:3] == ["20/s", "0", "2.0 s"]


def test_many_callers_are_set_in_several_tables(opener: Opener) -> None:
    with opener.open("odd") as page:
        across = [len(table.locator("thead th").all()) - 1 for table in page.locator(".map").all()]
        assert across == [MOST_COLUMNS, MOST_COLUMNS, 4]
        assert page.locator("[aria-label='Callers across, requests down, part 3 of 3']").count() == 1


@pytest.mark.parametrize("case", CASES)
def test_every_tag_is_closed_and_every_id_is_one_of_a_kind(case: str) -> None:
    doctype, _, document = verification_html(*CASES[case]()).partition("\n")
    assert doctype == "<!DOCTYPE html>"
    root = ET.fromstring(document)  # noqa: S314 - our own text
    ids = [element.attrib["id"] for element in root.iter() if "id" in element.attrib]
    assert len(ids) == len(set(ids))
    headings = [element.tag[-2:] for element in root.iter() if element.tag[-2:] in {"h1", "h2", "h3"}]
    assert headings[0] == "h1"
    assert set(headings[1:]) == {"h2"}
