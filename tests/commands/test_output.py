"""What people write reaches a terminal or a log as it is: brackets are no markup, and nothing moves the cursor."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from posture.commands.output import show, show_step
from posture.model.application import load_application
from posture.model.posture import load_posture
from posture.report.grants import grants_table
from posture.report.status import processes_table

if TYPE_CHECKING:
    from datetime import datetime

ROOT = Path(__file__).parents[2]

WORDS = ["/details/[a-z0-9-]+", "/static[/a-z]*", "[critical][main] [source/server.cc:414] [/x]", ":warning: it is"]


@dataclass
class Dead:
    log: list[str]
    name: str = "details-v1-envoy"
    state: str = "dead"
    pid: int | None = None
    since: datetime | None = None
    exit: str | None = "ended with 1"


@pytest.mark.parametrize("words", WORDS)
def test_a_log_and_a_step_are_shown_as_they_are(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    show(processes_table([Dead([words])]))
    show_step(words)
    shown = capsys.readouterr()
    assert words in shown.out
    assert shown.err == f"· {words}\n"


@pytest.mark.parametrize("regex", WORDS[:2])
def test_a_grant_is_shown_with_all_of_its_regular_expression(
    regex: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "some.yaml").write_text(
        "description: some\ngrants:\n  - name: viewer\n    from: productpage\n    to: details\n"
        f"    permissions: [{{methods: [GET], pathRegex: '{regex}'}}]\n"
    )
    show(grants_table(load_posture(tmp_path, "some", load_application(ROOT / "apps" / "bookinfo.yaml"))))
    assert capsys.readouterr().out.split() == ["viewer", "productpage", "→", "details", "GET", "~", regex]


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ("{name: x-debug, present: true, invert: true}", "without x-debug"),
        ("{name: x-team, exact: blue}, {name: x-debug, present: true}", "with x-team, x-debug"),
        ("{name: x-tier, exact: gold, invert: true}", "with x-tier that is not gold"),
        (
            "{name: a, present: true, invert: true}, {name: b, suffix: .x, invert: true, ignoreCase: true}",
            "with b that doesn't end in .x in any case without a",
        ),
    ],
)
def test_a_grant_says_what_an_inverted_condition_opens(
    headers: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "some.yaml").write_text(
        "description: some\ngrants:\n  - name: viewer\n    from: productpage\n    to: details\n"
        f"    permissions: [{{pathPrefix: /details/, header: [{headers}]}}]\n"
    )
    show(grants_table(load_posture(tmp_path, "some", load_application(ROOT / "apps" / "bookinfo.yaml"))))
    assert capsys.readouterr().out.rstrip().endswith(f"any method /details/… {words}")


def test_a_step_moves_no_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    show_step("left as it is: \x1b[2Jx")
    assert capsys.readouterr().err == "· left as it is: \\x1b[2Jx\n"
