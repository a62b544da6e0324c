"""The preview's comment: golden files, and what holds for every one of them."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from markdown_it import MarkdownIt

from policies.judging import Pack, judge
from policies.reading import of_config_entry
from policies.suppressions import Suppressions
from policies.view import Stack, Suppression
from posture.model.access import Access
from posture.model.application import Application, Call, Gateway, Route, Service, load_application
from posture.model.difference import compare
from posture.model.entries import compile_entries
from posture.model.held import held_entries
from posture.model.limits import Limit
from posture.model.matrix import matrix
from posture.model.posture import Grant, Permission, Posture, load_posture
from posture.report.review import DEPLOYED, Failure, Review
from posture.report.review_markdown import LIMIT, MARKER, review_markdown
from posture.verify.drift import drift_findings

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Browser

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden" / "preview"
BOOKINFO = load_application(ROOT / "apps" / "bookinfo.yaml")
AGAINST_A_BASE = " in who may call whom, and under what limits and protections"
DIFF = """Previewing update (dev):
~ consul:index/configEntry:ConfigEntry: (update)
    [id=service-intentions-details]
  ~ configJson: (json) {
      ~ Methods: [ "GET", "POST" ]
    }
"""
STYLE = """body{font:16px/1.5 sans-serif;max-width:900px;margin:24px auto;color:#1f2328;background:#fff}
table{border-collapse:collapse;display:block;overflow-x:auto;max-width:100%}
td,th{border:1px solid #d1d9e0;padding:6px 13px}
code{font:12px monospace;background:#eff1f3}pre{background:#f6f8fa;padding:16px;overflow:auto}"""


def shipped(name: str) -> Posture:
    return load_posture(ROOT / "stacks", name, BOOKINFO)


def review(  # noqa: PLR0913, PLR0917 - what a review is made of
    old: Posture,
    new: Posture,
    stack: str = "dev",
    application: Application = BOOKINFO,
    pack: Pack | None = None,
    diff: str = DIFF,
) -> Review:
    before, after = (Access(compile_entries(application, each)) for each in (old, new))
    resources = tuple(of_config_entry(each.kind, each.name, each.body) for each in after.entries)
    findings = judge(Stack(resources, application), pack or Pack())
    difference = compare(application, (old.name, before), (new.name, after))
    moved = len({edit.entry for edit in difference.edits})
    return Review(
        stack=stack,
        against="main",
        difference=difference,
        matrix=matrix(after, application, new.name),
        found=tuple(each for each in findings if not each.suppression),
        suppressed=tuple(each for each in findings if each.suppression),
        drift=(),
        counts={"update": moved, "same": len(after.entries) - moved},
        diff=diff if moved else "",
    )


def no_change() -> list[Review | Failure]:
    return [review(shipped("rate-limited"), shipped("rate-limited"), name) for name in ("dev", "prod")]


def noted(service: str, reason: str = "moved in *March* | <b>") -> Suppression:
    return Suppression("CP203", f"service-intentions/{service}", reason, date(9999, 12, 31), "suppressions.yaml:2")


def careless(posture: Posture, *services: str) -> Posture:
    """The same with prefixes that match more than they say."""
    for service in services:
        posture = reading(posture, service, path_prefix=f"/{service}")
    return posture


def unchanged(stack: str, *suppressions: Suppression) -> Review:
    """A stack on which all that is refused is suppressed."""
    posture = careless(shipped("rate-limited"), *(each.resource.rpartition("/")[2] for each in suppressions))
    return review(posture, posture, stack, pack=Pack(suppressions=Suppressions(suppressions)))


def only_suppressed() -> list[Review | Failure]:
    """Nothing changes: two stacks have a suppression in common, one has another beside it, and one has none."""
    common, own = noted("details"), noted("ratings", "prod is the last to move")
    return [unchanged("dev", common), unchanged("prod", common, own), unchanged("test")]


def opening() -> list[Review | Failure]:
    return [
        review(shipped("deny-all"), shipped("layered-allow")),
        review(shipped("deny-all"), shipped("deny-all"), "deny-all"),
    ]


def closing() -> list[Review | Failure]:
    return [review(shipped("layered-allow"), shipped("deny-all"))]


def reading(posture: Posture, destination: str, **path: str) -> Posture:
    """The same, but a service may be read by this path."""
    permission = Permission.model_validate({**path, "methods": ("GET",)})
    grants = tuple(
        grant.model_copy(update={"permissions": (permission,)}) if grant.destination == destination else grant
        for grant in posture.grants
    )
    return posture.model_copy(update={"grants": grants})


def widened() -> list[Review | Failure]:
    old = shipped("rate-limited")
    return [review(old, reading(old, "details", path_prefix="/"))]


def unshown() -> list[Review | Failure]:
    """A regular expression in place of a prefix."""
    old = shipped("layered-allow")
    return [review(old, reading(old, "ratings", path_regex="/(ratings|admin)/.*"))]


def many_limits() -> list[Review | Failure]:
    """More changes of limits than a comment has room for, beside what opens; and a failure of many words."""
    names = [f"service-{number:04}" for number in range(1500)]
    services = {name: Service(port=9080, command=("run",)) for name in names}
    gateway = Gateway(routes=(Route(exact="/", to=names[0]),))
    made = Application(description="made", services=services, clients={}, gateway=gateway).named("made")
    limits = {f"limit-of-{name}": Limit(on=name, max_inbound_connections=5) for name in names}
    old, new = (Posture(description="d", limits=each).named(name) for name, each in (("some", limits), ("none", {})))
    grant = Grant.model_validate({"name": "g", "source": names[1], "destination": names[0]}, by_name=True)
    opened = new.model_copy(update={"grants": (grant,)}).named("none")
    return [review(old, opened, application=made), Failure("prod", "no word of it " * 10_000)]


def limit_removed() -> list[Review | Failure]:
    return [review(shipped("rate-limited"), shipped("rate-limited").model_copy(update={"limits": {}}))]


def violation() -> list[Review | Failure]:
    """What is refused on one stack; on another one nothing changes, and something is suppressed."""
    old = shipped("rate-limited")
    new = careless(old, "ratings", "details").model_copy(
        update={"limits": {"productpage": Limit(max_inbound_connections=5)}}
    )
    suppressed = noted("details")
    return [review(old, new, pack=Pack(suppressions=Suppressions((suppressed,)))), unchanged("prod", suppressed)]


def failing() -> list[Review | Failure]:
    words = "Pulumi.prod.yaml:3: no posture 'layred-allow'; did you mean 'layered-allow'?"
    return [review(shipped("deny-all"), shipped("deny-all")), Failure("prod", words)]


def many() -> list[Review | Failure]:
    """Two hundred calls that close, of services that call each other in a ring."""
    names = [f"service-{number:03}" for number in range(200)]
    around = dict(zip(names, [*names[1:], names[0]], strict=True))
    services = {
        name: Service(port=9080, command=("run",), calls=(Call(to=to, path=f"/{to}/0"),)) for name, to in around.items()
    }
    gateway = Gateway(routes=(Route(exact="/", to=names[0]),))
    made = Application(description="made", services=services, clients={}, gateway=gateway).named("made")
    grants = tuple(
        Grant.model_validate(
            {
                "name": f"from-{name}",
                "source": name,
                "destination": to,
                "permissions": (Permission.model_validate({"path_exact": f"/{to}/0", "methods": ("GET",)}),),
            }
        )
        for name, to in around.items()
    )
    nothing = Posture(description="none", limits={}).named("nothing")
    diff = "\n".join(f"~ a line of the engine, number {number}" for number in range(20_000))
    return [review(nothing, nothing.model_copy(update={"grants": grants}).named("ring"), application=made, diff=diff)]


def not_as_recorded() -> list[Review | Failure]:
    """Somebody has opened ratings to all, deleted its defaults, and put an entry beside ours."""
    posture = shipped("layered-allow")
    entries = compile_entries(BOOKINFO, posture)
    opened = {"Sources": [{"Name": "*", "Type": "consul", "Action": "allow", "Precedence": 8}]}
    held = held_entries(
        [
            *({"Kind": each.kind, "Name": each.name, **each.body} for each in entries if each.name != "ratings"),
            {"Kind": "service-intentions", "Name": "ratings", **opened},
            {"Kind": "service-router", "Name": "details"},
        ]
    )
    drift = drift_findings(BOOKINFO, posture.name, entries, held)
    return [replace(review(posture, posture), against=DEPLOYED, drift=tuple(drift))]


CASES: dict[str, Callable[[], list[Review | Failure]]] = {
    "no-change": no_change,
    "only-suppressed": only_suppressed,
    "deny-all-to-layered-allow": opening,
    "layered-allow-to-deny-all": closing,
    "widened-path": widened,
    "no-request-shows-it": unshown,
    "removed-limit": limit_removed,
    "policy-violation": violation,
    "failing-stack": failing,
    "not-as-recorded": not_as_recorded,
    "two-hundred-calls": many,
}


@pytest.fixture(scope="module")
def comments() -> dict[str, str]:
    return {name: review_markdown(case()) for name, case in CASES.items()}


@pytest.mark.parametrize("name", CASES)
def test_the_comment_is_the_golden_one(comments: dict[str, str], name: str, *, update_golden: bool) -> None:
    file = GOLDEN / f"{name}.md"
    if update_golden:
        file.parent.mkdir(exist_ok=True)
        file.write_text(comments[name])
    assert comments[name] == file.read_text()


@pytest.mark.parametrize("name", CASES)
def test_the_comment_has_its_marker_and_keeps_below_the_limit(comments: dict[str, str], name: str) -> None:
    assert comments[name].startswith(MARKER)
    assert len(comments[name].encode()) <= LIMIT


def html(comment: str) -> str:
    rendered = MarkdownIt("commonmark", {"html": True}).enable("table").render(comment)
    return f"<!doctype html><meta charset=utf-8><title>preview</title><style>{STYLE}</style>{rendered}"


@pytest.mark.parametrize("name", CASES)
def test_a_browser_shows_every_block_whole(
    comments: dict[str, str], browser: Browser, name: str, tmp_path: Path
) -> None:
    """Tables are tables, what is folded is folded and closed again, and nothing shows as markup."""
    file = tmp_path / f"{name}.html"
    file.write_text(html(comments[name]), encoding="utf-8")
    page = browser.new_page(viewport={"width": 1000, "height": 800})
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.goto(file.as_uri())
    text = page.inner_text("body")
    assert page.locator("details details").count() == 0
    assert page.locator("details").count() == comments[name].count("<details>") == comments[name].count("</details>")
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    opened = page.inner_text("body")
    assert not re.search(r"\| ---|\*\*|```|</?details", opened)
    uneven: list[Any] = page.evaluate(
        "[...document.querySelectorAll('table')].filter(t => new Set([...t.rows].map(r => r.cells.length)).size != 1)"
    )
    assert uneven == []
    assert page.locator("script, img, b").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 1000
    assert complaints == []
    assert text.startswith(("✓", "Posture:"))
    page.close()


def test_no_change_is_one_line(comments: dict[str, str]) -> None:
    assert comments["no-change"].splitlines() == [MARKER, f"✓ Nothing changes on dev, prod{AGAINST_A_BASE}."]


def test_against_what_is_deployed_all_is_compared() -> None:
    deployed = [replace(each, against=DEPLOYED) for each in no_change() if isinstance(each, Review)]
    assert review_markdown(deployed) == f"{MARKER}\n✓ Nothing changes on dev, prod.\n"


def test_what_is_suppressed_is_shown_where_nothing_changes(comments: dict[str, str]) -> None:
    alone = comments["only-suppressed"].splitlines()
    assert alone[:2] == [MARKER, f"✓ Nothing changes on dev, prod, test{AGAINST_A_BASE}."]
    assert "| suppressed | finds | because | until | on |" in alone
    assert [line.rpartition(" | ")[2] for line in alone[-3:]] == ["dev, prod |", "prod |", ""]
    assert "refused" not in comments["only-suppressed"]
    beside = comments["policy-violation"]
    assert "| suppressed | finds | because | until |\n" in beside
    assert f"Nothing changes on prod{AGAINST_A_BASE}.\n\n| suppressed | finds | because | until | on |" in beside


def test_what_is_suppressed_is_counted_where_it_is_cut() -> None:
    """Here for want of room; where not even that is said of each stack, in all."""
    assert review_markdown([unchanged("dev", noted("details", "x" * LIMIT))]) == (
        f"{MARKER}\n✓ Nothing changes on dev{AGAINST_A_BASE}.\n\n*1 more under “suppressed” are left out.*\n\n"
    )
    text = review_markdown([unchanged("long-name-" * 100, noted("details"))] * 100)
    assert text.endswith("\nToo much changes to be listed here. 100 under “suppressed” are left out, too.\n")


def test_what_opens_comes_before_all_else(comments: dict[str, str]) -> None:
    lines = comments["deny-all-to-layered-allow"].splitlines()
    assert re.fullmatch(r"## Posture: ⚠️ opens \d+ calls", lines[1])
    tables = [line for line in lines if line.startswith("| ") and line.endswith(" |")]
    assert tables[0] == "| opens | request | risk | rule |"
    assert "Nothing changes on deny-all in who may call whom, and under what limits and protections." in lines


def test_a_widened_path_and_a_removed_limit_are_said_in_words(comments: dict[str, str]) -> None:
    assert "**wider path**" in comments["widened-path"]
    text = comments["removed-limit"]
    assert "- ⚠️ productpage: unlimited per caller, was 20/s per caller, burst 40" in text
    assert "opens nothing, ⚠️ loosens 4 protections" in text
    assert "edited fields" not in text, "what is said in words isn't shown again"


def test_what_no_request_shows_is_in_the_verdict_and_widens(comments: dict[str, str]) -> None:
    text = comments["no-request-shows-it"]
    assert text.splitlines()[1] == "## Posture: ⚠️ may open 1 call"
    assert "| reviews → ratings |" in text
    [found] = unshown()
    assert isinstance(found, Review)
    assert found.widens


def test_changes_in_words_are_cut_by_lines_and_leave_room_for_what_opens() -> None:
    text = review_markdown(many_limits())
    assert 1 < len(text.encode()) <= LIMIT
    assert "**new caller**" in text
    assert "more changes of protections are left out" in text
    assert "### prod: no preview" in text
    assert "no word of it" in text


def test_a_refusal_is_in_the_verdict_and_a_suppression_is_shown(comments: dict[str, str]) -> None:
    text = comments["policy-violation"]
    assert "❌ 1 refused by policy" in text.splitlines()[1]
    assert "| ❌ CP203 | service-intentions/ratings prefix /ratings also matches /ratingsX |" in text
    assert r"| moved in \*March\* \| &lt;b&gt; | 9999-12-31 |" in text


def test_a_stack_without_a_preview_is_named_and_the_others_are_still_there(comments: dict[str, str]) -> None:
    text = comments["failing-stack"]
    assert "❌ no preview of prod" in text
    assert "### prod: no preview" in text
    assert "did you mean 'layered-allow'?" in text


def test_two_hundred_calls_are_all_listed_and_the_engine_s_words_go_first(comments: dict[str, str]) -> None:
    text = comments["two-hundred-calls"]
    assert len(re.findall(r"\*\*new caller\*\*", text)) == 200
    assert "what the engine says" not in text


def test_a_comment_that_is_far_too_long_is_cut_by_rows() -> None:
    """Many stacks that each say a lot."""
    reviews = many() * 12
    text = review_markdown(reviews)
    assert len(text.encode()) <= LIMIT
    assert text.count("<details>") == text.count("</details>")
    assert "more under “opens” are left out" in text
