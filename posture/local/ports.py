"""Finds who already listens where a stack is going to, before anything is started."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psutil

from posture.errors import InputError
from posture.local.consul import PORTS as CONSUL_PORTS
from posture.local.instances import SIDECAR_PORT

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from posture.local.instances import Instance
    from posture.local.layout import Layout

__all__ = ["check_ports"]

_EVERYWHERE = {"0.0.0.0", "::"}  # noqa: S104 - compared with, not bound to


def check_ports(layout: Layout, instances: Iterable[Instance], own: Collection[int]) -> None:
    """Check that every address and port that the stack will listen on is free.

    Args:
        layout: The stack's places.
        instances: Its members.
        own: Ids of processes that may listen there, for they are the stack's.

    Raises:
        InputError: The first that is taken, who has it, and which setting moves it.
    """
    wanted = {(layout.consul_host, port): "localNetwork" for port in CONSUL_PORTS.values() if port > 0}
    for instance in instances:
        for port in (instance.port, SIDECAR_PORT, *instance.upstreams.values()):
            if port:
                wanted[instance.address, port] = "localNetwork"
    wanted["127.0.0.1", layout.gateway_port] = "gatewayPort"
    listeners: dict[int, list[tuple[str, int | None]]] = {}
    for connection in psutil.net_connections("tcp"):
        if connection.laddr and connection.status == psutil.CONN_LISTEN and connection.pid not in own:
            listeners.setdefault(connection.laddr.port, []).append((connection.laddr.ip, connection.pid))
    for (address, port), setting in wanted.items():
        for listening, pid in listeners.get(port, ()):
            if listening in {address, *_EVERYWHERE, f"::ffff:{address}"}:
                message = f"port {address}:{port} is taken by {_process(pid)}"
                raise InputError(f"{message}; stop it or set consul-posture:{setting}")


def _process(pid: int | None) -> str:
    if pid is None:
        return "a process of another user"
    try:
        return f"{psutil.Process(pid).name()} (pid {pid})"
    except psutil.Error:
        return f"a process that is just ending (pid {pid})"
