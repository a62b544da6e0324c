"""Certificates in files are judged where the files are, and where they aren't that is said."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from policies.config import AS_SHIPPED, Config
from policies.judging import Pack, judge
from policies.reading import of_config_entry
from policies.view import Stack
from posture.local.certificate import ensure_certificate
from tests.policies.corpus_cases import CERTIFICATES

if TYPE_CHECKING:
    from pathlib import Path


def found(file: str, folder: Path | None = None, days: int = 14) -> list[str]:
    """What is found on a gateway's certificate in a file, for a stack whose gateway runs in a folder."""
    config = Config({}, {"CP303": {"days": days}}) if folder is None else AS_SHIPPED.of_stack("community", str(folder))
    config = Config({}, {**config.options_by_rule, "CP303": {**config.options_by_rule["CP303"], "days": days}})
    entry = of_config_entry("file-system-certificate", "gateway", {"Certificate": file, "PrivateKey": "key.pem"})
    return [f"{each.rule.id} {each.words}" for each in judge(Stack((entry,)), Pack(config)) if "CP30" in each.rule.id]


def unread(file: str) -> list[str]:
    return [f"CP303 is in the file '{file}', which can't be read here: nobody has looked when it ends"]


def test_a_file_is_judged_as_what_it_holds(tmp_path: Path) -> None:
    assert found(str(CERTIFICATES / "lasting.pem")) == []
    assert found(str(CERTIFICATES / "ended.pem")) == ["CP302 ended on 2021-01-01"]
    (tmp_path / "none.pem").write_text("no certificate")
    assert found(str(tmp_path / "none.pem")) == ["CP302 is no certificate in PEM"]


def test_one_that_ends_soon_is_told_from_one_that_does_not(tmp_path: Path) -> None:
    soon = datetime.now(UTC) + timedelta(days=365)
    ensure_certificate(tmp_path / "c.pem", tmp_path / "key.pem")
    assert found(str(tmp_path / "c.pem")) == []
    assert found(str(tmp_path / "c.pem"), days=366) == [f"CP303 ends on {soon:%Y-%m-%d}"]


def test_a_relative_path_leads_from_where_the_stack_s_gateway_runs(tmp_path: Path) -> None:
    shutil.copy(CERTIFICATES / "ended.pem", tmp_path)
    assert found("ended.pem", tmp_path) == ["CP302 ended on 2021-01-01"]
    assert found("ended.pem") == unread("ended.pem"), "not from where the rules happen to run"


@pytest.mark.parametrize("file", ["", "/nowhere/c.pem", "/dev/zero", "/", "/\0", "/" + "x" * 5000])
def test_what_cannot_be_read_does_not_pass_in_silence(file: str) -> None:
    assert found(file) == unread(file)


def test_neither_a_pipe_nor_a_file_of_any_size_is_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with (tmp_path / "large").open("wb") as large:
        large.truncate(10**10)
    for name in ("pipe", "large"):
        assert found(str(tmp_path / name)) == unread(str(tmp_path / name))


def test_a_folder_that_is_set_counts_before_the_stack_s() -> None:
    config = Config({}, {"CP302": {"folder": "/mine"}}).of_stack("community", "/stack")
    assert config.options_by_rule["CP302"] == {"folder": "/mine"}
    assert config.options_by_rule["CP303"] == {"folder": "/stack"}


def test_what_is_no_text_that_can_be_written_is_no_certificate() -> None:
    entry = of_config_entry("inline-certificate", "gateway", {"Certificate": "\ud800", "PrivateKey": ""})
    assert "is no certificate in PEM" in [each.words for each in judge(Stack((entry,)), Pack())]
