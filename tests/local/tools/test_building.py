from __future__ import annotations

import dataclasses
import io
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import psutil
import pytest
from rich.console import Console

from posture.errors import InputError
from posture.local.tools import InstalledTool, Origin, Tool, board, ensure, find
from tests.conftest import eventually

if TYPE_CHECKING:
    from pathlib import Path

Starter = Callable[[Tool], "subprocess.Popen[str]"]
Getter = Callable[[Tool], tuple[InstalledTool, str, float]]
Writer = Callable[..., None]


def compilers(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """All processes below it, once the Go compiler is one of them."""
    assert process.poll() is None, "it ended before it could be interrupted"
    try:
        below = psutil.Process(process.pid).children(recursive=True)
        return below if any(child.name() == "compile" for child in below) else []
    except psutil.NoSuchProcess:  # a compiler that ended meanwhile; ask again
        return []


def ended(process: psutil.Process) -> bool:
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def partial(cache: Path) -> list[Path]:
    return list(cache.glob(".*.partial"))


def test_a_tool_is_built_once_and_then_found(tiny: Tool, get: Getter, cache: Path) -> None:
    first, said, _ = get(tiny)
    assert first.origin is Origin.BUILT
    assert "building it with Go" in said
    assert first.path.parts[-2:] == ("bin", "tiny")
    assert first.path.parents[2] == cache
    assert subprocess.run([first.path], check=True, capture_output=True, text=True).stdout == "tiny v1.2.3\n"
    changed = first.path.stat().st_mtime_ns
    second, said, _ = get(tiny)
    assert (second, said) == (first, "")
    assert second.path.stat().st_mtime_ns == changed
    assert partial(cache) == []
    assert cache.stat().st_mode & 0o777 == 0o700


def test_an_interrupted_build_leaves_no_binary_and_the_next_succeeds(
    tiny: Tool, get: Getter, start: Starter, rewrite: Writer, cache: Path
) -> None:
    rewrite(tiny, slow=True)
    process = start(tiny)
    below = eventually(lambda: compilers(process), seconds=30)
    interrupted = time.monotonic()
    process.send_signal(signal.SIGINT)  # to it alone: a terminal would tell its children as well
    assert process.wait(10) != 0
    assert time.monotonic() - interrupted < 4
    eventually(lambda: all(map(ended, below)), seconds=5)
    assert partial(cache) == []
    assert find("tiny", tools={"tiny": tiny}) is None
    rewrite(tiny)
    assert get(tiny)[0].origin is Origin.BUILT


def test_a_killed_build_leaves_no_binary_and_the_next_cleans_up(
    tiny: Tool, get: Getter, start: Starter, rewrite: Writer, cache: Path
) -> None:
    rewrite(tiny, slow=True)
    process = start(tiny)
    below = eventually(lambda: compilers(process), seconds=30)
    process.kill()
    process.wait(10)
    assert find("tiny", tools={"tiny": tiny}) is None
    assert len(partial(cache)) == 1
    eventually(lambda: all(map(ended, below)), seconds=30)  # they finish what they are at, then fall silent
    assert find("tiny", tools={"tiny": tiny}) is None
    rewrite(tiny)
    assert get(tiny)[0].origin is Origin.BUILT
    assert partial(cache) == []
    assert len(list(cache.glob("tiny-*"))) == 1


def test_two_processes_at_once_build_once(tiny: Tool, start: Starter, rewrite: Writer, cache: Path) -> None:
    rewrite(tiny, slow=True)
    first = start(tiny)
    eventually(lambda: partial(cache), seconds=30)
    second = start(tiny)
    said = [process.communicate(timeout=60)[0] for process in (first, second)]
    assert [first.returncode, second.returncode] == [0, 0], said
    assert "building it with Go" in said[0]
    assert "another process is getting it; waiting" in said[1]
    assert "building it with Go" not in said[1]
    assert said[0].splitlines()[-1] == said[1].splitlines()[-1]


def test_programs_of_one_module_are_built_one_after_the_other(tiny: Tool) -> None:
    said = io.StringIO()
    both = {"tiny": tiny, "other": dataclasses.replace(tiny, name="other")}
    ensure(both, console=Console(file=said, width=300), tools=both)
    assert re.findall(r"building it|built", said.getvalue()) == ["building it", "built", "building it", "built"]


def test_a_log_shows_life_while_building(
    tiny: Tool, get: Getter, rewrite: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(board, "_SECONDS_BETWEEN_LINES", 0.2)
    rewrite(tiny, slow=True)
    lines = [line for line in get(tiny)[1].splitlines() if "compiling" in line]
    assert lines[0].startswith("tiny 1.2.3: compiling, ")
    assert " of at most " in lines[0]


def test_without_go_one_line_says_what_to_install(
    tiny: Tool, get: Getter, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match=r"^tiny 1\.2\.3 .* no Go on PATH; install Go 1\.25 or newer .*$"):
        get(tiny)


@pytest.mark.parametrize("toolchain", ["local", "auto"])
def test_with_a_go_that_is_too_old_one_line_says_what_to_install(
    tiny: Tool, get: Getter, rewrite: Writer, monkeypatch: pytest.MonkeyPatch, toolchain: str
) -> None:
    monkeypatch.setenv("GOTOOLCHAIN", toolchain)
    monkeypatch.setenv("GOPROXY", "off")
    rewrite(tiny, go="1.99")
    with pytest.raises(InputError, match=r"^tiny .* Go 1\.\d+\.\d+ is too old for it; install Go 1\.99 or newer .*$"):
        get(tiny)


def test_a_failed_build_is_told_in_one_line_of_go_s_own_words(tiny: Tool, get: Getter, cache: Path) -> None:
    assert tiny.module is not None
    (tiny.module / "main.go").write_text("package main\n\nfunc main() { nonsense() }\n")
    with pytest.raises(InputError) as refused:
        get(tiny)
    assert "building tiny 1.2.3 failed: " in str(refused.value)
    assert "undefined: nonsense" in str(refused.value)
    assert "\n" not in str(refused.value)
    assert "undefined: nonsense" in (cache / "tiny-build.log").read_text()
    assert partial(cache) == []


def test_settings_for_cross_compiling_do_not_reach_the_build(
    tiny: Tool, get: Getter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOS", "plan9")
    assert get(tiny)[0].path.read_bytes()[:4] == b"\x7fELF"


def test_a_cache_that_cannot_be_made_is_one_line(
    tiny: Tool, get: Getter, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("POSTURE_CACHE_DIR", os.fspath(tmp_path / "file" / "cache"))
    with pytest.raises(InputError, match=r"can't write to the tools' cache, .*; set POSTURE_CACHE_DIR"):
        get(tiny)
