"""How a report gets to a terminal or a file: as wide as it needs where nobody's window limits it.

Nothing that is printed is read as Rich's markup: `[a-z]` is a part of somebody's rule.
"""

from __future__ import annotations

import click
from rich.console import Console, RenderableType
from rich.segment import Segment, Segments
from rich.text import Text

from posture.errors import visible

__all__ = ["err", "out", "show", "show_step"]


def _console(*, stderr: bool) -> Console:
    return Console(stderr=stderr, markup=False, emoji=False)


out, err = _console(stderr=False), _console(stderr=True)


def show(found: RenderableType, *, to_err: bool = False) -> None:
    """Print machines' formats as they are, and people's without trailing blanks when they go to a file."""
    if isinstance(found, str):
        click.echo(found, err=to_err)
        return
    console = _console(stderr=to_err)
    if console.is_terminal:
        console.print(_visible(console, found))
        return
    console.width = 10_000
    with console.capture() as capture:
        console.print(_visible(console, found))
    click.echo("\n".join(line.rstrip() for line in capture.get().splitlines()), err=to_err)


def show_step(words: str) -> None:
    """Print a step as it begins; the steps are few, and a log shows them as well as a terminal."""
    err.print(Text.assemble(("·", "dim"), f" {visible(words)}"), soft_wrap=True)


def _visible(console: Console, found: RenderableType) -> Segments:
    """The same, with nothing in its texts that a terminal would obey."""
    return Segments(Segment(visible(text), style, control) for text, style, control in console.render(found))
