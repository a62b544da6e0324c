"""What is mended in a file backend, and what is refused; that an engine goes on from there is tried in tests/faults."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING

import psutil
import pytest

from posture.errors import InputError
from posture.program.file_backend import FileBackend
from tests.conftest import eventually

if TYPE_CHECKING:
    from pathlib import Path

STACK = "dev"
DAMAGED = ("", "{", "null", '{"checkpoint": {"latest": {"resources": [7]}}}', "[" * 100_000, "\ufffd")


def checkpoint(salt: str) -> str:
    return json.dumps({"checkpoint": {"latest": {"secrets_providers": {"state": {"salt": salt}}, "resources": []}}})


@pytest.fixture
def backend(tmp_path: Path) -> FileBackend:
    for folder in ("stacks/p", f"history/p/{STACK}", f"locks/organization/p/{STACK}"):
        (tmp_path / ".pulumi" / folder).mkdir(parents=True)
    found = FileBackend(tmp_path, STACK)
    file(found).write_text(checkpoint("newest"))
    return found


def file(backend: FileBackend, name: str = f"stacks/p/{STACK}.json") -> Path:
    return backend.folder / ".pulumi" / name


def write(backend: FileBackend, name: str, text: str, when: int) -> None:
    file(backend, name).write_text(text)
    os.utime(file(backend, name), (when, when))


def lock(backend: FileBackend, text: str) -> Path:
    found = file(backend, f"locks/organization/p/{STACK}/1.json")
    found.write_text(text)
    return found


def test_a_sound_state_is_left_alone(backend: FileBackend) -> None:
    backend.mend(replaceable=False)
    assert backend.salts() == {"newest"}
    assert not file(backend, f"stacks/p/{STACK}.json.damaged").exists()


@pytest.mark.parametrize("text", DAMAGED)
def test_a_damaged_state_is_kept_and_replaced_by_the_newest_sound_one(
    backend: FileBackend, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file(backend).write_text(text)
    write(backend, f"stacks/p/{STACK}.json.bak", "", 9)
    for when in (1, 3, 2):
        write(backend, f"history/p/{STACK}/{STACK}-{when}.checkpoint.json", checkpoint(str(when)), when)
    backend.mend(replaceable=False)
    assert backend.salts() == {"3"}
    assert file(backend, f"stacks/p/{STACK}.json.damaged").read_text() == text
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("when", "newest"), [(1, "end"), (3, "before")], ids=["an up came to its end", "one was killed"]
)
def test_the_engines_own_backup_counts_where_it_is_newer(backend: FileBackend, when: int, newest: str) -> None:
    file(backend).write_text("{")
    write(backend, f"history/p/{STACK}/{STACK}-2.checkpoint.json", checkpoint("end"), 2)
    write(backend, f"stacks/p/{STACK}.json.bak", checkpoint("before"), when)
    backend.mend(replaceable=False)
    assert backend.salts() == {newest}


def test_without_a_sound_state_a_stack_is_refused_or_made_anew(backend: FileBackend) -> None:
    file(backend).write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="damaged, and so is all that it was before"):
        backend.mend(replaceable=False)
    backend.mend(replaceable=True)
    assert not backend.exists


def test_what_a_killed_engine_left_half_written_is_removed(backend: FileBackend) -> None:
    left = [file(backend, "meta.yaml.attrs"), file(backend, f"stacks/p/{STACK}.json.7.tmp")]
    kept = file(backend, f"stacks/p/{STACK}.json.attrs")
    for each in left:
        each.write_text("")
    kept.write_text("{}")
    backend.mend(replaceable=False)
    assert not any(each.exists() for each in left)
    assert kept.exists()


@pytest.mark.parametrize("replaceable", [False, True])
def test_what_was_under_way_is_forgotten_where_it_can_be_done_again(backend: FileBackend, *, replaceable: bool) -> None:
    held = json.loads(checkpoint("newest"))
    held["checkpoint"]["latest"]["pending_operations"] = [{"type": "creating"}]
    file(backend).write_text(json.dumps(held))
    backend.mend(replaceable=replaceable)
    now = json.loads(file(backend).read_text())["checkpoint"]["latest"]
    assert ("pending_operations" in now) != replaceable
    assert backend.salts() == {"newest"}


@pytest.mark.parametrize("text", [*DAMAGED, '{"pid": "many"}', '{"pid": %d}'])
def test_a_lock_of_nobody_or_of_no_engine_is_released(backend: FileBackend, text: str) -> None:
    found = lock(backend, text.replace("%d", str(os.getpid())))
    backend.release()
    assert not found.exists()


def test_a_lock_of_an_engine_is_respected_until_it_ends(backend: FileBackend, tmp_path: Path) -> None:
    pulumi = tmp_path / "pulumi"  # a process is called as its file is
    pulumi.symlink_to("/bin/sleep")
    elsewhere = {**os.environ, "PULUMI_BACKEND_URL": "file:///elsewhere"}
    with subprocess.Popen([pulumi, "60"]) as engine, subprocess.Popen([pulumi, "60"], env=elsewhere) as other:
        found = lock(backend, json.dumps({"pid": engine.pid}))
        with pytest.raises(InputError, match=f"is being changed by process {engine.pid}; wait until it ends"):
            backend.release()
        assert found.exists()
        engine.kill()
        engine.wait()
        backend.release()
        assert not found.exists()
        eventually(psutil.Process(other.pid).environ, "a program has none at its very beginning")
        found = lock(backend, json.dumps({"pid": other.pid}))
        backend.release()
        assert not found.exists(), "its number was used again, by an engine of another stack"
        other.kill()
