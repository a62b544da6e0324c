"""How a report gets to a terminal or a file: as wide as it needs where nobody's window limits it."""

from __future__ import annotations

import click
from rich.console import Console, RenderableType

__all__ = ["show"]


def show(found: RenderableType, *, err: bool = False) -> None:
    """Print machines' formats as they are, and people's without trailing blanks when they go to a file."""
    if isinstance(found, str):
        click.echo(found, err=err)
        return
    console = Console(stderr=err)
    if console.is_terminal:
        console.print(found)
        return
    console.width = 10_000
    with console.capture() as capture:
        console.print(found)
    click.echo("\n".join(line.rstrip() for line in capture.get().splitlines()), err=err)
