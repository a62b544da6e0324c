"""Runs an application on one listener: quiet, one worker, and gone within a second of being asked to stop."""

from __future__ import annotations

import signal
import socket
import sys
from typing import TYPE_CHECKING, Never

import uvicorn

from posture.errors import InputError

if TYPE_CHECKING:
    from types import FrameType

    from starlette.applications import Starlette

    from posture.local.bookinfo.environment import Listener

__all__ = ["serve"]

# Seconds that requests under way get to finish. Uvicorn adds 0.1 s; the sum must stay under one second.
GRACE = 0.5

# Envoy keeps idle connections to its application for an hour. Whoever closes first must be Envoy, or a request
# sent into a connection that is just being closed comes back to the caller as a 503.
KEEP_ALIVE = 3660


def serve(application: Starlette, listener: Listener) -> None:
    """Serve until SIGTERM or SIGINT, then leave with `SystemExit(0)`.

    Raises:
        InputError: The address can't be listened on.
    """
    config = uvicorn.Config(
        application,
        loop="asyncio",
        http="h11",
        ws="none",
        lifespan="on",
        log_config=None,  # warnings and errors then go to standard error as they are
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=GRACE,  # type: ignore[arg-type]  # annotated int, used as asyncio.wait_for's timeout
    )
    # Uvicorn raises the signal that stopped it once more when it is done; the default action would make an
    # orderly end look like a death.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    # asyncio turns Nagle's algorithm off only where a socket names its protocol, and accepted ones inherit that:
    # with it on, every request but a connection's first would wait 40 ms for a delayed acknowledgement.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind(tuple(listener))
        except OSError as error:
            where = f"{listener.address}:{listener.port}"
            raise InputError(f"can't listen on {where}: {error.strerror}; free it, or choose another") from error
        uvicorn.Server(config).run(sockets=[listening])


def _leave(_number: int, _frame: FrameType | None) -> Never:
    sys.exit(0)
