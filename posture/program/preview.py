"""What the engine says of a change before it is made: each resource before and after.

Read from the engine's own log of events, which the SDK's automation reads as well (`--event-log`, engine 3.259.0).
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posture.program.engine import Engine, EngineError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Plan", "Planned", "preview"]

Inputs = dict[str, Any]


@dataclass(frozen=True)
class Planned:
    """A resource and its inputs before and after, as the log has them; None where it isn't there."""

    kind: str
    name: str
    before: Inputs | None
    after: Inputs | None


@dataclass(frozen=True)
class Plan:
    """A preview; ``counts`` has resources by what happens to them, ``diff`` is the engine's own words."""

    resources: tuple[Planned, ...]
    counts: Mapping[str, int]
    diff: str


def preview(engine: Engine, *, refresh: bool = False) -> Plan:
    """Preview a stack.

    Args:
        engine: The stack's.
        refresh: Whether what is there is read anew first; `Planned.before` is then still what was recorded.

    Raises:
        EngineError: The preview failed; with the first error in its own words.
        InputError: The passphrase does not open the state.
    """
    with tempfile.TemporaryDirectory(dir=engine.state) as scratch:
        log = Path(scratch, "events")
        try:
            diff = engine.preview("--event-log", str(log), *(["--refresh"] if refresh else []))
        except EngineError as error:
            raise EngineError(next(_errors(log), str(error))) from None
        return _plan(list(_events(log)), diff)


def _plan(events: list[dict[str, Any]], diff: str) -> Plan:
    found: dict[str, Planned] = {}
    counts: dict[str, int] = {}
    for event in events:
        if "resourcePreEvent" in event:
            step = event["resourcePreEvent"]["metadata"]
            urn = step["urn"]
            if (step.get("new") or step.get("old") or {}).get("external"):
                continue  # is only read, and not of the stack
            earlier = found.get(urn) or Planned(step["type"], urn.split("::", 3)[-1], None, None)
            before = _inputs(step.get("old")) if earlier.before is None else earlier.before
            # A refresh, which comes first, has the old state for the new one; what stays has a step of its own.
            gone = step["op"].startswith(("delete", "refresh"))
            after = earlier.after if gone else _inputs(step.get("new"))
            found[urn] = Planned(earlier.kind, earlier.name, before, after)
        elif "summaryEvent" in event:
            counts = event["summaryEvent"].get("resourceChanges") or {}
    return Plan(tuple(found.values()), counts, diff)


def _inputs(state: Mapping[str, Any] | None) -> Inputs | None:
    return None if state is None else dict(state.get("inputs") or {})


def _errors(log: Path) -> Iterator[str]:
    for event in _events(log):
        said = event.get("diagnosticEvent") or {}
        if said.get("severity") == "error":
            words = " ".join(said.get("message", "").split()).removeprefix("error: ")
            if words and words != "preview failed":
                yield words


def _events(log: Path) -> Iterator[dict[str, Any]]:
    if log.exists():
        with log.open(errors="replace") as lines:
            for line in lines:
                try:
                    event = json.loads(line)
                except (ValueError, RecursionError):
                    event = None
                if not isinstance(event, dict):
                    raise EngineError("the engine's log of events breaks off; run it again")
                yield event
