"""What is going on, for people: live rows on a terminal, a line now and then in a log."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from rich.console import Console
    from rich.progress import TaskID

__all__ = ["Board"]

_SECONDS_BETWEEN_LINES = 15.0
_MINUTE = 60


@dataclass
class _Row:
    task: TaskID
    text: str = "waiting for its turn"
    began: float | None = None
    ended: bool = False


class Board:
    """One row a tool: what it is at, for how long, how far.

    On a terminal the rows are live; elsewhere what is being worked on, and what is left, is printed every 15 s.
    """

    def __init__(self, console: Console, titles: Iterable[str]) -> None:
        self._console = console
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.fields[title]}", markup=False),
            TimeElapsedColumn(),
            BarColumn(bar_width=20),
            TextColumn("{task.description}", markup=False),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        self._rows = {
            title: _Row(self._progress.add_task("waiting for its turn", start=False, total=None, title=title))
            for title in titles
        }

    @asynccontextmanager
    async def shown(self) -> AsyncIterator[None]:
        """Show the rows for as long as the block lasts."""
        ticking = asyncio.ensure_future(self._tick())
        try:
            with self._progress:
                yield
        finally:
            ticking.cancel()

    def say(self, text: str) -> None:
        """Print a line that stays."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def stage(self, title: str, text: str, done: int | None = None, total: int | None = None) -> None:
        """What a tool is at now. Its clock starts with the first stage."""
        row = self._rows[title]
        if row.began is None:
            row.began = time.monotonic()
            self._progress.start_task(row.task)
        row.text = f"{text}, {done} of at most {total} packages" if total else text
        self._progress.update(row.task, description=row.text, completed=done or 0, total=total)

    def end(self, title: str) -> None:
        """A tool is there."""
        self._rows[title].ended = True
        self._progress.update(self._rows[title].task, visible=False)

    def elapsed(self, title: str) -> str:
        """How long a tool has been worked on, such as ``2 min 5 s``."""
        seconds = round(time.monotonic() - (self._rows[title].began or time.monotonic()))
        return f"{seconds // _MINUTE} min {seconds % _MINUTE} s" if seconds >= _MINUTE else f"{seconds} s"

    async def _tick(self) -> None:
        while not self._console.is_terminal:
            await asyncio.sleep(_SECONDS_BETWEEN_LINES)
            left = [title for title, row in self._rows.items() if row.began is None]
            for title, row in self._rows.items():
                if row.began is not None and not row.ended:
                    self.say(
                        f"{title}: {row.text}, {self.elapsed(title)}" + (f"; then {', '.join(left)}" if left else "")
                    )
