"""What is read in the engine's log of events, of which a few lines are given here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pytest

from posture.program.engine import Engine, EngineError
from posture.program.preview import Planned, preview

KIND = "consul:index/configEntry:ConfigEntry"


class Logging:
    """Stands for an engine that logs these lines, in a preview that says nothing."""

    def __init__(self, state: Path, *lines: str) -> None:
        self.state, self._lines = state, lines

    def preview(self, *options: str) -> str:
        Path(options[options.index("--event-log") + 1]).write_text("\n".join(self._lines))
        return ""


def step(op: str, old: dict[str, Any] | None, new: dict[str, Any] | None, name: str = "deny") -> str:
    metadata = {"op": op, "urn": f"urn:pulumi:dev::shop::{KIND}::{name}", "type": KIND, "old": old, "new": new}
    return json.dumps({"resourcePreEvent": {"metadata": metadata}})


def state(value: int, *, external: bool = False) -> dict[str, Any]:
    return {"inputs": {"value": value}, **({"external": True} if external else {})}


def planned(folder: Path, *lines: str) -> tuple[Planned, ...]:
    return preview(cast("Engine", Logging(folder, *lines))).resources


def test_a_replaced_resource_is_what_it_was_and_what_it_will_be(tmp_path: Path) -> None:
    steps = (
        step("delete-replaced", state(1), None),
        step("replace", state(1), state(2)),
        step("create-replacement", state(1), state(2)),
    )
    assert planned(tmp_path, *steps) == (Planned(KIND, "deny", {"value": 1}, {"value": 2}),)
    assert planned(tmp_path, *steps[::-1]) == (Planned(KIND, "deny", {"value": 1}, {"value": 2}),)


def test_what_is_only_read_is_not_of_the_stack_until_it_is_made(tmp_path: Path) -> None:
    read = state(1, external=True)
    assert planned(tmp_path, step("read", None, read)) == ()
    own = (step("create-replacement", read, state(2)), step("discard-replaced", read, None))
    assert [each.after for each in planned(tmp_path, *own)] == [{"value": 2}]


def test_what_goes_has_nothing_after_it_and_what_stays_under_a_refresh_has(tmp_path: Path) -> None:
    assert planned(tmp_path, step("delete", state(1), None)) == (Planned(KIND, "deny", {"value": 1}, None),)
    stays = (step("refresh", state(1), state(3)), step("same", state(1), state(1)))
    assert planned(tmp_path, *stays) == (Planned(KIND, "deny", {"value": 1}, {"value": 1}),)


def test_a_name_with_colons_is_whole(tmp_path: Path) -> None:
    (resource,) = planned(tmp_path, step("create", None, state(1), name="shop::deny"))
    assert resource.name == "shop::deny"


def test_a_log_that_breaks_off_is_said(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="the engine's log of events breaks off; run it again"):
        planned(tmp_path, step("create", None, state(1))[:-3])
