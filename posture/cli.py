"""The `posture` command. Exit 0: done, or holds; 1: does not hold; 2: bad input or usage; 130: interrupted."""

from __future__ import annotations

import dataclasses
import errno
import io
import json
import os
import shlex
import sys
import time
import traceback
from pathlib import Path

import click
from rich.text import Text

from posture.commands.access import diff, explain_command, matrix
from posture.commands.manifests import manifests
from posture.commands.opening import open_stack
from posture.commands.output import err, out, show, show_step
from posture.commands.policy import policy
from posture.commands.preview import preview
from posture.commands.verify import verify
from posture.errors import InputError, one_line
from posture.garbage import collect_seldom
from posture.local import tools
from posture.local.mesh import MeshError
from posture.local_stack import LocalStack, remove_stack
from posture.model.limit_words import slow_words
from posture.model.limits import in_force
from posture.model.schemas import SHAPES, schema_of
from posture.model.settings import target_of
from posture.program.engine import EngineError
from posture.report.grants import grants_table
from posture.report.status import processes_table, tools_table
from posture.stack import find_project

__all__ = ["main"]

stack_option = click.option("--stack", "-s", default="dev", show_default=True, help="The stack to work on.")
json_option = click.option("--json", "as_json", is_flag=True, help="Answer in JSON, for machines.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="consul-posture")
def posture() -> None:
    """Move a Consul service mesh from one security posture to another: reviewed before, proven after."""


@posture.command()
@click.argument("name", metavar="[POSTURE]", required=False)
@stack_option
@click.option("--through", metavar="LAYER", help="Move to the posture only as far as this grant or limit of it.")
def up(name: str | None, stack: str, through: str | None) -> None:
    """Start a stack's mesh where it isn't running, and move it to POSTURE; on Kubernetes, install what is missing.

    POSTURE is written into the stack's file, and without it the one that is there is kept. Run it again after an
    interruption, an error or a restart of the machine: it goes on from where things stand.
    """
    started = time.monotonic()
    opened = open_stack(stack, err)
    wanted = opened.wanted(name, through)
    with opened.exclusively():
        opened.choose(wanted)
        opened.up(show_step)
    application, chosen = opened.load()
    live = f" is live on stack {stack} ({time.monotonic() - started:.0f} s)\n"
    out.print(Text.assemble("\n", (chosen.name, "bold green"), live))
    out.print(f"  page    {opened.page}", highlight=False)
    if isinstance(opened, LocalStack):
        out.print(f"  Consul  {opened.settings.consul_address}/ui", highlight=False)
    out.print()
    out.print("Open, and all else is denied:" if chosen.grants else "Nothing is open.")
    show(grants_table(chosen))
    for words in slow_words(in_force(chosen.limits), opened.settings.proxies, application.gateway.name):
        out.print(words, style="yellow", highlight=False, soft_wrap=True)


@posture.command()
@stack_option
def down(stack: str) -> None:
    """End a stack's mesh and remove all that it has left, Pulumi's state included."""
    project = find_project()
    if target_of(project, stack) == "local":
        remove_stack(project, stack)  # even where its configuration is broken by now
        kept = False
    else:
        from posture.cluster_stack import ClusterStack  # noqa: PLC0415 - takes half a second to load

        opened = ClusterStack(project, stack, err)
        with opened.exclusively():
            opened.down(show_step)
        kept = opened.layout.passphrase.exists()
    left = "its passphrase" if kept else "nothing of it"
    out.print(f"stack {stack} is down; {left} is left")


@posture.command()
@stack_option
@json_option
def status(stack: str, *, as_json: bool) -> None:
    """Show what runs, what has died, and the posture that was applied last. Exit 1 unless all of it runs."""
    opened = open_stack(stack, err)
    found = opened.status()
    applied = opened.applied()
    if as_json:
        click.echo(json.dumps({**dataclasses.asdict(found), "stack": stack, "applied": applied}, default=str))
    else:
        out.print(f"stack {stack}: {applied.get('posture', 'no posture applied yet')}\n", highlight=False)
        show(processes_table(found.processes))
    sys.exit(0 if found.healthy else 1)


@posture.command("tools")
@click.option("--install", is_flag=True, help="Fetch or build those that are not there yet.")
@click.option("--for-tests", is_flag=True, help="Also those that only this project's own tests need.")
@json_option
def list_tools(*, install: bool, for_tests: bool, as_json: bool) -> None:
    """List the tools that are used: name, version, origin, path."""
    wanted = {**tools.TOOLS, **tools.TEST_TOOLS} if for_tests else tools.TOOLS
    if install:
        tools.ensure(wanted, console=err, tools=wanted)
    rows = tools.listing(tools=wanted)
    if as_json:
        click.echo(json.dumps([dict(zip(("name", "version", "origin", "path"), row, strict=True)) for row in rows]))
    else:
        show(tools_table(rows))


@posture.command()
@stack_option
def env(stack: str) -> None:
    """Print the variables with which plain `pulumi` and `consul` work on a stack: eval "$(posture env)".

    They hold the token of the mesh's operator: keep them out of logs.
    """
    opened = open_stack(stack, err)
    with opened.exclusively():
        opened.engine().prepare()
    for name, value in opened.exports().items():
        click.echo(f"export {name}={shlex.quote(value)}")


@posture.command()
@click.argument("shape", type=click.Choice(sorted(SHAPES)))
def schema(shape: str) -> None:
    """Print the JSON Schema of a file kind, for editors."""
    click.echo(schema_of(shape))


for command in (matrix, explain_command, diff, manifests, policy, preview, verify):
    posture.add_command(command)


def main() -> None:
    """Run a command; every error is one line, and its exit code says whose it is."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # a name of a file may be in no encoding
        sys.stdout.reconfigure(errors="backslashreplace")
    collect_seldom()
    try:
        sys.exit(posture.main(standalone_mode=False))
    except (InputError, click.ClickException) as error:
        words = error.format_message() if isinstance(error, click.ClickException) else str(error)
        _fail(one_line(words), 2)
    except (MeshError, EngineError) as error:
        _fail(str(error), 1)
    except OSError as error:
        words = f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}"
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            _fail(one_line(f"{words}; make room for the stack's files, then run this again"), 1)
        _fail(one_line(f"{words}; mend that, then run this again"), 2)
    except (KeyboardInterrupt, click.Abort):
        _fail("interrupted; run it again to go on", 130)
    except Exception as error:
        if os.environ.get("POSTURE_TRACEBACK"):
            raise
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{type(error).__name__}: {error}, in {Path(place.filename).name}:{place.lineno}"
        _fail(one_line(f"nobody foresaw this ({where}); report it, with what POSTURE_TRACEBACK=1 shows"), 1)


def _fail(words: str, code: int) -> None:
    err.print(Text("error:", "bold red"), end=" ")
    click.echo(words, err=True)
    sys.exit(code)
