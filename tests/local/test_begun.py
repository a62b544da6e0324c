"""What an `up` was about to make, and how it is taken back."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING
from unittest.mock import Mock, call

import pytest

from posture.local.begun import Begun, delete_entries
from posture.local.consul import Consul
from posture.model.entries import Entry, Kind
from posture.model.held import Held, Standing

if TYPE_CHECKING:
    from pathlib import Path


def test_names_add_up_until_an_end(tmp_path: Path) -> None:
    begun = Begun(tmp_path / "begun.json")
    assert not begun.unfinished
    assert begun.names() == frozenset()
    begun.add([])
    assert begun.unfinished
    begun.add(["mesh/mesh"])
    begun.add(["service-defaults/details", "mesh/mesh"])
    assert begun.names() == {"mesh/mesh", "service-defaults/details"}
    assert stat.S_IMODE(begun.file.stat().st_mode) == 0o600
    begun.end()
    assert not begun.unfinished
    begun.end()


@pytest.mark.parametrize(
    "text",
    ["", "{", "7", "null", '"mesh/mesh"', '{"mesh/mesh": 1}', '[1, null, ["a"], "bound-api-gateway/x"]', "[" * 100_000],
)
def test_a_damaged_note_says_nothing_and_is_written_anew(tmp_path: Path, text: str) -> None:
    begun = Begun(tmp_path / "begun.json")
    begun.file.write_text(text)
    assert begun.names() == frozenset()
    begun.add(["mesh/mesh"])
    assert begun.names() == {"mesh/mesh"}


def held(*names: str) -> Held:
    return Held(tuple(Entry(Kind.SERVICE_DEFAULTS, name, {}) for name in names), ())


def test_what_is_unrecorded_is_held_and_was_begun() -> None:
    begun = frozenset({"service-defaults/made", "service-defaults/recorded", "service-defaults/never-made"})
    assert Standing(held("recorded"), held("made", "recorded", "anothers"), begun).unrecorded == [
        "service-defaults/made"
    ]


def test_rules_are_deleted_before_what_they_rely_on() -> None:
    consul = Mock(spec=Consul)
    delete_entries(consul, ["proxy-defaults/global", "service-intentions/a", "http-route/r", "service-defaults/a"])
    assert consul.call.call_args_list == [
        call("DELETE", "/config/http-route/r"),
        call("DELETE", "/config/service-intentions/a"),
        call("DELETE", "/config/service-defaults/a"),
        call("DELETE", "/config/proxy-defaults/global"),
    ]
