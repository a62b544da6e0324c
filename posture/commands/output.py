"""How a report gets to a terminal or a file: as wide as it needs where nobody's window limits it."""

from __future__ import annotations

import click
from rich.console import Console, RenderableType
from rich.segment import Segment, Segments

from posture.errors import visible

__all__ = ["show"]


def show(found: RenderableType, *, err: bool = False) -> None:
    """Print machines' formats as they are, and people's without trailing blanks when they go to a file."""
    if isinstance(found, str):
        click.echo(found, err=err)
        return
    console = Console(stderr=err)
    if console.is_terminal:
        console.print(_visible(console, found))
        return
    console.width = 10_000
    with console.capture() as capture:
        console.print(_visible(console, found))
    click.echo("\n".join(line.rstrip() for line in capture.get().splitlines()), err=err)


def _visible(console: Console, found: RenderableType) -> Segments:
    """The same, with nothing in its texts that a terminal would obey."""
    return Segments(Segment(visible(text), style, control) for text, style, control in console.render(found))
