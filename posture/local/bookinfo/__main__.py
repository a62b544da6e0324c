"""The entry point of one service: which one comes from the arguments, everything else from the environment.

Only the chosen service's module is imported: six of these processes run side by side, and details has no use
for an HTTP client, nor reviews for a template engine.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import TYPE_CHECKING

from posture.errors import InputError
from posture.local.bookinfo.environment import Listener
from posture.local.bookinfo.server import serve

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["main"]

SERVICES = ("productpage", "details", "reviews", "ratings")


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run one service until a signal ends it.

    Args:
        arguments: The name of the service, and nothing else.
        environ: `LISTEN_ADDRESS`, `LISTEN_PORT`, and what the service's `build` asks for.

    Returns:
        0 after SIGTERM or SIGINT; 2, with one line on standard error, for input that can't be used.
    """
    try:
        module = importlib.import_module(f"posture.local.bookinfo.{_read_service(arguments)}")
        listener = Listener.read(environ)
        serve(module.build(environ), listener)
    except InputError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    return 0


def _read_service(arguments: Sequence[str]) -> str:
    if len(arguments) == 1 and arguments[0] in SERVICES:
        return arguments[0]
    given = repr(" ".join(arguments)) if arguments else "nothing"
    raise InputError(f"{given} names no service; name one of {', '.join(SERVICES)}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
