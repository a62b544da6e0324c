from __future__ import annotations

import dataclasses
import json
import os
import shutil
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from posture.local.tools import TOOLS, InstalledTool, Origin, Tool, find, listing

if TYPE_CHECKING:
    from pathlib import Path

Getter = Callable[[Tool], tuple[InstalledTool, str, float]]


@pytest.fixture
def on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory that is first on PATH."""
    directory = tmp_path / "on-path"
    directory.mkdir()
    monkeypatch.setenv("PATH", f"{directory}{os.pathsep}{os.environ['PATH']}")
    return directory


def put_script(directory: Path, version: str) -> Path:
    script = directory / "tiny"
    script.write_text(f"#!/bin/sh\necho tiny v{version}\n")
    script.chmod(0o755)
    return script


def test_find_builds_nothing_and_leaves_no_trace(tiny: Tool, cache: Path) -> None:
    assert find("tiny", tools={"tiny": tiny}) is None
    assert not cache.exists()


def test_finding_all_four_is_quick() -> None:
    listing()  # programs on PATH are asked for their versions once
    began = time.monotonic()
    rows = listing()
    assert time.monotonic() - began < 0.3
    assert [row[0] for row in rows] == ["pulumi", "consul", "fortio", "envoy"]


def test_a_tool_that_is_not_there_is_listed_with_its_pinned_version(tiny: Tool) -> None:
    assert listing(tools={"tiny": tiny}) == (("tiny", "1.2.3", "-", "-"),)


def test_envoy_is_found_in_its_package_although_the_package_has_a_script_on_path() -> None:
    there = find("envoy", tools={"envoy": TOOLS["envoy"]})
    assert there is not None
    assert (there.version, there.origin) == ("1.36.4", Origin.PACKAGE)
    assert there.path.read_bytes()[:4] == b"\x7fELF"


def test_path_wins_over_the_cache_when_compatible(tiny: Tool, get: Getter, on_path: Path) -> None:
    assert get(tiny)[0].origin is Origin.BUILT
    script = put_script(on_path, "1.2.9")
    there = get(tiny)[0]
    assert (there.version, there.origin, there.path) == ("1.2.9", Origin.PATH, script)


def test_path_does_not_win_when_incompatible(tiny: Tool, get: Getter, on_path: Path) -> None:
    put_script(on_path, "1.3.0")
    assert get(tiny)[0].origin is Origin.BUILT


def test_a_newer_minor_on_path_wins_where_that_is_allowed(tiny: Tool, on_path: Path) -> None:
    script = put_script(on_path, "1.3.0")
    newer = dataclasses.replace(tiny, newer_minors=True)
    there = find("tiny", tools={"tiny": newer})
    assert there is not None
    assert there.path == script


def test_a_program_of_our_cache_is_not_taken_for_one_on_path(
    tiny: Tool, get: Getter, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = get(tiny)[0]
    monkeypatch.setenv("PATH", f"{built.path.parent}{os.pathsep}{os.environ['PATH']}")
    assert find("tiny", tools={"tiny": tiny}) == built


def test_a_program_is_asked_for_its_version_once_and_again_when_it_changes(
    tiny: Tool, get: Getter, on_path: Path, cache: Path
) -> None:
    shutil.copy(get(tiny)[0].path, on_path / "tiny")
    tools = {"tiny": tiny}
    assert find("tiny", tools=tools) is not None
    notes = cache / "versions.json"
    (identity,) = json.loads(notes.read_text())
    notes.write_text(json.dumps({identity: "tiny v1.2.77"}))
    assert find("tiny", tools=tools).version == "1.2.77"  # type: ignore[union-attr] # None fails the test as well
    os.utime(on_path / "tiny", (0, 0))
    assert find("tiny", tools=tools).version == "1.2.3"  # type: ignore[union-attr] # as above
    assert len(json.loads(notes.read_text())) == 1


def test_what_was_built_is_found_when_go_has_gone(
    tiny: Tool, get: Getter, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    built = get(tiny)[0]
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find("tiny", tools={"tiny": tiny}) == built


def test_what_was_built_from_other_pins_is_not_found(tiny: Tool, get: Getter) -> None:
    assert get(tiny)[0].origin is Origin.BUILT
    assert tiny.module is not None
    (tiny.module / "go.sum").write_text("# moved\n")
    assert find("tiny", tools={"tiny": tiny}) is None
