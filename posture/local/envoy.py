"""Envoy's bootstraps: where each finds Consul, as whom, and where its admin API is.

Consul makes them (`consul connect envoy -bootstrap`, some 40 ms each). The admin API is moved to a socket of our own:
on a port, its `/config_dump` would show the bootstrap's token to every user of the machine. And an Envoy asks for a
lost Consul more often.
"""

from __future__ import annotations

import json
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import httpx

from posture.local.consul import PORTS
from posture.local.errors import MeshError
from posture.local.interrupts import interrupted_after
from posture.local.plain_http import NOBODY_TRUSTED
from posture.local.private import make_private, write_private
from posture.local.supervisor import Program

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from posture.local.layout import Layout

__all__ = ["admin", "envoy_program", "is_connected", "is_draining", "is_live", "updates", "write_bootstraps"]

_AT_ONCE = 2
DRAIN_SECONDS = 1
"""How long a connection may live on under rules that have been replaced. Envoy's default is 600: a connection that was
idle meanwhile would have one more request answered by the old rules, ten minutes after they were tightened. The longer
it is, the fewer requests are cut off by its end (ADR 6)."""
_RECONNECTING = {"base_interval": "0.25s", "max_interval": "1s"}
"""How soon an Envoy asks again for a Consul that was gone. Envoy's default grows to 30 s, and until then the rules of
before are in force."""


def envoy_program(envoy: Path, layout: Layout, name: str, workers: int = 1) -> Program:
    """How to run an Envoy. The number of workers is pinned, because a rate limit is divided by it.

    Without `--disable-hot-restart` the Envoys of one machine would take each other for their predecessors. The
    working directory is the state's: the gateway's certificate and the admin socket have paths relative to it.
    """
    arguments = (
        *("-c", f"envoy/{name}.json"),
        "--disable-hot-restart",
        *("--concurrency", str(workers)),
        *("--drain-time-s", str(DRAIN_SECONDS)),
        *("--drain-strategy", "immediate"),  # not bit by bit: a request that comes late would have what is left
    )
    return Program((str(envoy), *arguments), layout.state)


def write_bootstraps(consul: Path, layout: Layout, sidecars: Mapping[str, str], gateway: Mapping[str, str]) -> None:
    """Write `envoy/NAME.json` (0600, each holds a token) for members that are registered.

    Args:
        consul: The program.
        layout: The stack's places.
        sidecars: The token of each service instance, by the instance's name.
        gateway: The gateway's token by its name.

    Raises:
        MeshError: Consul's own words.
    """
    make_private(layout.envoy)
    wanted = [(name, ["-sidecar-for", name], token) for name, token in sidecars.items()]
    wanted += [
        (name, ["-gateway", "api", "-service", name, "-proxy-id", name], token) for name, token in gateway.items()
    ]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(lambda each: _write(consul, layout, *each), wanted))


def is_live(layout: Layout, name: str) -> bool:
    """Whether an Envoy has its first configuration from Consul: its admin API's `/ready` says so."""
    answer = admin(layout, name, "/ready")
    return answer is not None and answer.status_code == httpx.codes.OK


def is_connected(layout: Layout, name: str) -> bool:
    """Whether an Envoy hears of changes: it has a stream to Consul. One that lost it enforces what it heard last."""
    answer = admin(layout, name, "/stats?filter=^control_plane.connected_state$")
    return answer is not None and answer.text.strip().endswith(": 1")


def updates(layout: Layout, name: str) -> int | None:
    """How many configurations of its listeners an Envoy has taken since it was started; None if it doesn't answer."""
    answer = admin(layout, name, "/stats?filter=^listener_manager.lds.update_success$")
    said = answer.text.rpartition(":")[2].strip() if answer else ""
    return int(said) if said.isdigit() else None


def is_draining(layout: Layout, name: str) -> bool:
    """Whether an Envoy still holds connections that were opened under rules that have been replaced since.

    Such a connection serves one more request by the old rules (measured on Envoy 1.36.4), until it is drained.
    """
    answer = admin(layout, name, "/stats?filter=^listener_manager.total_.*_draining$")
    return answer is None or any(not line.endswith(": 0") for line in answer.text.splitlines())


def admin(layout: Layout, name: str, path: str) -> httpx.Response | None:
    """What the admin API answers, if it does.

    The socket is reached through its folder's descriptor, for a socket's path may have 107 bytes only (unix(7)).
    """
    try:
        folder = os.open(layout.envoy, os.O_PATH | os.O_DIRECTORY)
    except FileNotFoundError:
        return None
    socket = f"/proc/self/fd/{folder}/{layout.admin_socket(name).name}"
    try:
        transport = httpx.HTTPTransport(uds=socket, verify=NOBODY_TRUSTED)
        with interrupted_after(), httpx.Client(transport=transport, timeout=2) as client:
            return client.get(f"http://envoy{path}")
    except httpx.TransportError:
        return None
    finally:
        os.close(folder)


def _write(consul: Path, layout: Layout, name: str, who: list[str], token: str) -> None:
    command = [
        *(str(consul), "connect", "envoy", *who, "-bootstrap", "-ignore-envoy-compatibility"),
        *("-http-addr", f"{layout.consul_host}:{PORTS['http']}"),
        *("-grpc-addr", f"{layout.consul_host}:{PORTS['grpc']}"),
    ]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("CONSUL_")}
    done = subprocess.run(
        command,
        env=environment | {"CONSUL_HTTP_TOKEN": token},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise MeshError(f"no bootstrap for the Envoy of {name}", tuple(done.stderr.splitlines()))
    bootstrap = json.loads(done.stdout)
    socket = layout.admin_socket(name).relative_to(layout.state)
    bootstrap["admin"]["address"] = {"pipe": {"path": str(socket), "mode": 0o600}}
    bootstrap["dynamic_resources"]["ads_config"]["grpc_services"]["envoy_grpc"]["retry_policy"] = {
        "retry_back_off": _RECONNECTING
    }
    write_private(layout.envoy / f"{name}.json", json.dumps(bootstrap))
