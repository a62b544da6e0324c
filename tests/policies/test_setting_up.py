"""What a configuration and a file of suppressions may say, and what bad ones get: one line, and exit 2."""

from __future__ import annotations

import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from policies.config import load_config
from policies.examples import READER
from policies.suppressions import load_suppressions
from posture.cli import posture
from posture.errors import InputError

ROOT = Path(__file__).parents[2]
BAD_PREFIX = READER.replace("/details/", "/details")


def today() -> date:
    return datetime.now(UTC).date()


def suppression(**changes: str | None) -> str:
    fields = {
        "rule": "CP203",
        "resource": "service-intentions/details",
        "reason": "its paths are frozen",
        "expires": str(today()),
        **changes,
    }
    lines = [f"{key}: {value}" for key, value in fields.items() if value is not None]
    return "suppressions:\n  - " + "\n    ".join(lines) + "\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"CP999": "mandatory"}', "config.json:1: no rule 'CP999'; did you mean 'CP901'?"),
        ('{"CP101": "strict"}', "config.json:1: CP101 has the level 'strict'; it must be one of mandatory, advisory"),
        ('{"CP101": {"enforcementLevel": 1}}', "CP101 has the level '1'; it must be one of"),
        ('{"CP001": "disabled"}', "CP001 can't be disabled, or others would pass unseen; make it advisory"),
        ('{"CP901": "disabled"}', "CP901 can't be disabled"),
        ('{"CP303": {"day": 3}}', "CP303 has no option 'day'; did you mean 'days'?"),
        ('{"CP303": {"days": "3"}}', "'days' of CP303 must be a whole number, not '3'; correct it"),
        ('{"CP303": {"days": true}}', "'days' of CP303 must be a whole number"),
        ('{"CP303": {"days": -1}}', "'days' of CP303 must be at least 0, not -1; raise it"),
        (
            '{"CP403": {"edition": "ultimate"}}',
            "'edition' of CP403 must be one of community, enterprise, not 'ultimate'",
        ),
        ("[]", "expected a mapping"),
        ('{"CP101": "advisory",\n "CP101": "disabled"}', "key 'CP101' stands here twice; the first is on line 1"),
    ],
)
def test_a_bad_configuration_gets_one_line(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(InputError) as caught:
        load_config(tmp_path / "config.json")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (suppression(reason=None), "suppressions.yaml:2: 'reason' is missing; add it"),
        (suppression(reason="' '"), "suppressions.yaml:4: 'reason'"),
        (suppression(expires=None), "suppressions.yaml:2: 'expires' is missing; add it"),
        (suppression(expires="soon"), "suppressions.yaml:5: 'expires'"),
        (suppression(rule="CP2O3"), "no rule 'CP2O3'; did you mean 'CP203'?"),
        (suppression(rule="CP001"), "CP001 can't be suppressed; mend what it finds"),
        (suppression(rule="CP901"), "CP901 can't be suppressed"),
        (suppression() + suppression()[len("suppressions:\n") :], "is suppressed twice; remove one"),
        (suppression() + suppression(stack="dev")[len("suppressions:\n") :], "is suppressed twice; remove one"),
        (suppression(stack="dev") + suppression()[len("suppressions:\n") :], "is suppressed twice; remove one"),
        (suppression(stack="dev") + suppression(stack="dev")[len("suppressions:\n") :], "is suppressed twice"),
        (suppression(stack=""), "suppressions.yaml:6: 'stack' must be text, not empty"),
        (suppression(stack="[dev]"), "suppressions.yaml:6: 'stack' must be text, not a list"),
        (suppression(stack="prod"), "suppressions.yaml:6: no stack 'prod'; known: dev, test"),
        (suppression(stack="dve"), "suppressions.yaml:6: no stack 'dve'; did you mean 'dev'?"),
        (suppression(until="2027-01-01"), "unknown key 'until'"),
    ],
)
def test_a_bad_suppression_gets_one_line(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "suppressions.yaml").write_text(text)
    with pytest.raises(InputError) as caught:
        load_suppressions(tmp_path / "suppressions.yaml", ["dev", "test"])
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def judged(
    tmp_path: Path, program: str, *, config: str = "{}", suppressions: str = "suppressions: []"
) -> tuple[int, str]:
    for name, text in (("program.yaml", program), ("config.json", config), ("suppressions.yaml", suppressions)):
        (tmp_path / name).write_text(text)
    options = ("--config", str(tmp_path / "config.json"), "--suppressions", str(tmp_path / "suppressions.yaml"))
    answer = CliRunner().invoke(posture, ["policy", str(tmp_path / "program.yaml"), *options], catch_exceptions=False)
    return answer.exit_code, answer.output


def one_rule(*kept: str) -> str:
    """A configuration under which only these rules can find anything in an entry by itself."""
    others = {"CP107", "CP202", "CP203", "CP701"} - set(kept)
    return "{" + ", ".join(f'"{name}": "disabled"' for name in sorted(others)) + "}"


def test_a_level_can_be_lowered_and_a_rule_be_disabled(tmp_path: Path) -> None:
    code, output = judged(tmp_path, BAD_PREFIX, config=one_rule("CP203"))
    assert (code, "mandatory CP203" in output) == (1, True)
    lowered = one_rule("CP203").replace("}", ', "CP203": "advisory"}')
    code, output = judged(tmp_path, BAD_PREFIX, config=lowered)
    assert (code, "advisory CP203" in output) == (0, True)
    code, output = judged(tmp_path, BAD_PREFIX, config=one_rule())
    assert (code, "CP203" in output) == (0, False)


def test_a_suppression_holds_until_the_end_of_its_day_and_is_shown(tmp_path: Path) -> None:
    code, output = judged(tmp_path, BAD_PREFIX, config=one_rule("CP203"), suppressions=suppression())
    assert code == 0
    assert "suppressed CP203 service-intentions/details prefix /details also matches /detailsX" in output
    assert f"until {today()}: its paths are frozen (suppressions.yaml:2)" in output


def test_an_expired_suppression_is_an_error_and_suppresses_nothing(tmp_path: Path) -> None:
    ended = today() - timedelta(days=1)
    text = suppression(expires=str(ended))
    code, output = judged(tmp_path, BAD_PREFIX, config=one_rule("CP203"), suppressions=text)
    assert code == 1
    assert "mandatory CP203" in output
    assert f"has a suppression of CP203 (suppressions.yaml:2) that ended on {ended}" in output


def test_an_unused_suppression_is_an_error(tmp_path: Path) -> None:
    code, output = judged(tmp_path, READER, config=one_rule("CP203"), suppressions=suppression())
    assert code == 1
    assert "mandatory CP901 service-intentions/details has a suppression of CP203" in output
    assert "CP203 service-intentions/details prefix" not in output


def test_files_are_of_no_stack(tmp_path: Path) -> None:
    """What is suppressed in one stack alone isn't in them, and isn't missed there either."""
    text = suppression(stack="dev")
    code, output = judged(tmp_path, BAD_PREFIX, config=one_rule("CP203"), suppressions=text)
    assert (code, "mandatory CP203" in output, "CP901" in output) == (1, True, False)
    assert judged(tmp_path, READER, config=one_rule("CP203"), suppressions=text)[0] == 0


def test_options_change_what_a_rule_refuses(tmp_path: Path) -> None:
    entry = "Kind: sameness-group\nName: all\n"
    assert judged(tmp_path, entry)[0] == 1
    assert judged(tmp_path, entry, config='{"CP403": {"edition": "enterprise"}}')[0] == 0


def test_a_posture_file_is_judged_for_the_project_s_own_application(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "apps").mkdir()
    shutil.copy(ROOT / "apps" / "bookinfo.yaml", tmp_path / "apps" / "shop.yaml")
    shutil.copytree(ROOT / "stacks", tmp_path / "stacks")
    (tmp_path / "Pulumi.yaml").write_text("name: x\nconfig: {application: {default: shop}}\n")
    monkeypatch.chdir(tmp_path)

    arguments = ["policy", "stacks/deny-all.yaml"]
    assert "nothing refused" in CliRunner().invoke(posture, arguments, catch_exceptions=False).output
    with pytest.raises(InputError, match="no application 'bookinfo'; known: shop"):
        CliRunner().invoke(posture, [*arguments, "--application", "bookinfo"], catch_exceptions=False)


def test_a_stack_s_own_edition_counts_unless_the_rule_s_option_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Enterprise's native rates are what a stack with that edition compiles to."""
    for name in ("apps", "stacks"):
        shutil.copytree(ROOT / name, tmp_path / name)
    (tmp_path / "Pulumi.yaml").write_text("name: x\n")
    (tmp_path / "stacks" / "quick.yaml").write_text("description: quick\nlimits: {details: {requestsPerSecond: 5}}\n")
    settings = "config: {consul-posture:posture: quick, consul-posture:edition: %s}\n"
    (tmp_path / "Pulumi.ce.yaml").write_text(settings % "community")
    (tmp_path / "Pulumi.ent.yaml").write_text(settings % "enterprise")
    community = tmp_path / "config.json"
    community.write_text('{"CP403": {"edition": "community"}}')
    monkeypatch.chdir(tmp_path)

    def finds(stack: str, *options: str) -> bool:
        answer = CliRunner().invoke(posture, ["policy", "--stack", stack, *options], catch_exceptions=False)
        return "CP403 service-defaults/details sets RateLimits" in answer.stdout

    assert not finds("ce")
    assert not finds("ent")
    assert finds("ent", "--config", str(community))
