from __future__ import annotations

import dataclasses
import hashlib
import io
import subprocess
import time
import zipfile
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from posture.local.tools import TOOLS, InstalledTool, Origin, Tool, ensure, release
from posture.local.tools.cache import platform_tag

if TYPE_CHECKING:
    from pathlib import Path

Getter = Callable[[Tool], tuple[InstalledTool, str, float]]
Server = Callable[[bytes, int], str]


@pytest.fixture
def archive() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as opened:
        opened.writestr("LICENSE.txt", "as you like")
        opened.writestr("tiny", "#!/bin/sh\necho tiny v1.2.3, released\n")
    return content.getvalue()


def released(tiny: Tool, site: str, content: bytes) -> Tool:
    sums = {platform_tag(): hashlib.sha256(content).hexdigest()}
    return dataclasses.replace(tiny, release_site=site, release_sums=sums)


def test_a_release_with_the_pinned_checksum_is_used(
    tiny: Tool, get: Getter, serve: Server, archive: bytes, cache: Path
) -> None:
    there, _, _ = get(released(tiny, serve(archive, len(archive)), archive))
    assert there.origin is Origin.RELEASE
    assert there.path == cache / f"tiny-1.2.3-release-{platform_tag()}" / "bin" / "tiny"
    assert b"released" in subprocess.check_output([there.path])
    assert sorted(path.name for path in there.path.parents[1].rglob("*")) == ["bin", "tiny"]


def test_a_release_with_another_checksum_is_refused_and_a_build_takes_its_place(
    tiny: Tool, get: Getter, serve: Server, archive: bytes, cache: Path
) -> None:
    there, said, _ = get(released(tiny, serve(archive, len(archive)), b"another"))
    assert there.origin is Origin.BUILT
    assert f"is refused: tiny_1.2.3_{platform_tag().replace('-', '_')}.zip has the SHA-256" in said
    assert not list(cache.glob("*release*"))


def test_a_platform_without_a_pinned_checksum_gets_no_release(
    tiny: Tool, get: Getter, serve: Server, archive: bytes
) -> None:
    tool = dataclasses.replace(tiny, release_site=serve(archive, len(archive)))
    assert get(tool)[0].origin is Origin.BUILT


def test_a_closed_port_falls_through_at_once(tiny: Tool, get: Getter) -> None:
    there, said, seconds = get(released(tiny, "http://127.32.0.1:1", b""))
    assert there.origin is Origin.BUILT
    assert "no release to be had" in said
    assert seconds < 6


def test_a_network_that_never_answers_is_given_up_on_once_for_all_tools(
    tiny: Tool, black_hole: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(release, "_FIRST_BYTE_SECONDS", 2.0)
    tool = released(tiny, black_hole, b"")
    tools = {name: dataclasses.replace(tool, name=name) for name in ("tiny", "other")}
    said = io.StringIO()
    began = time.monotonic()
    got = ensure(tools, console=Console(file=said, width=300), tools=tools)
    assert time.monotonic() - began < 8
    assert [there.origin for there in got.values()] == [Origin.BUILT, Origin.BUILT]
    assert said.getvalue().count("no release to be had") == 1


def test_a_download_that_stalls_is_given_up_on(
    tiny: Tool, get: Getter, serve: Server, archive: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(release, "_STALL_SECONDS", 1.0)
    there, said, seconds = get(released(tiny, serve(archive[:40], len(archive)), archive))
    assert there.origin is Origin.BUILT
    assert "nothing arrived for" in said
    assert seconds < 5


def test_pulumi_s_own_installer_cannot_hang_us(
    tiny: Tool, get: Getter, black_hole: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The SDK asks for its script without a time limit; a proxy that never answers is a half-open network to it.
    monkeypatch.setenv("HTTPS_PROXY", black_hole)
    monkeypatch.setenv("https_proxy", black_hole)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    there, said, seconds = get(dataclasses.replace(tiny, release_site=TOOLS["pulumi"].release_site))
    assert there.origin is Origin.BUILT
    assert "nothing arrived for 6 s" in said
    assert seconds < 12
