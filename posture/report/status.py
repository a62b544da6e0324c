"""What runs and which tools are used, as tables."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["processes_table", "tools_table"]

_STYLES = {"running": "green", "dead": "bold red", "stopped": "dim"}


class Process(Protocol):
    """What a row needs to know of a process."""

    @property
    def name(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def pid(self) -> int | None: ...
    @property
    def since(self) -> datetime | None: ...
    @property
    def exit(self) -> str | None: ...
    @property
    def log(self) -> Sequence[str]: ...


def processes_table(processes: Iterable[Process]) -> Table:
    """One row a process; a dead one with how it ended and the end of its log."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("process", "state", "pid", "since"):
        table.add_column(column, style="dim" if column == "since" else None)
    now = datetime.now(UTC)
    for process in processes:
        since = str(now - process.since).split(".")[0] if process.since else ""
        state = process.exit or process.state
        table.add_row(process.name, state, str(process.pid or ""), since, style=_STYLES.get(process.state))
        for line in process.log:
            table.add_row("", line, style="dim")
    return table


def tools_table(rows: Iterable[tuple[str, str, str, str]]) -> Table:
    """One row a tool: name, version, origin, path."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("tool", "version", "origin", "path"):
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table
