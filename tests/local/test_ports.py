"""Who is said to have taken a port."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from posture.errors import InputError
from posture.local.instances import instances
from posture.local.layout import Layout
from posture.local.mesh import Mesh
from posture.local.ports import check_ports
from posture.local.supervisor import Program, Supervisor

if TYPE_CHECKING:
    from posture.model.application import Application

NETWORK = "127.33"


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return Layout("test", tmp_path, NETWORK, free.getsockname()[1])


@pytest.mark.parametrize(
    ("address", "setting"),
    [
        ((f"{NETWORK}.0.1", 8500), "localNetwork"),
        ((f"{NETWORK}.1.1", 9080), "localNetwork"),
        ((f"{NETWORK}.1.2", 20000), "localNetwork"),
        ((f"{NETWORK}.1.2", 9101), "localNetwork"),
    ],
)
def test_a_listener_is_named_with_the_setting_that_evades_it(
    layout: Layout, application: Application, address: tuple[str, int], setting: str
) -> None:
    with socket.create_server(address), pytest.raises(InputError) as raised:
        check_ports(layout, instances(application, layout), ())
    where = f"{address[0]}:{address[1]}"
    assert str(raised.value).startswith(f"port {where} is taken by ")
    assert str(raised.value).endswith(f"(pid {os.getpid()}); stop it or set consul-posture:{setting}")


@pytest.mark.parametrize("address", ["0.0.0.0", "127.0.0.1", "::"])  # noqa: S104 - what is tested
def test_a_listener_on_every_address_takes_the_port_too(layout: Layout, application: Application, address: str) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with (
        socket.create_server((address, layout.gateway_port), family=family),
        pytest.raises(InputError, match=f"port 127.0.0.1:{layout.gateway_port} is taken .*gatewayPort"),
    ):
        check_ports(layout, instances(application, layout), ())


def test_a_listener_elsewhere_takes_nothing(layout: Layout, application: Application) -> None:
    with socket.create_server((f"{NETWORK}.9.9", 8500)) as listener:
        check_ports(layout, instances(application, layout), ())
        assert listener.getsockname()[1] == 8500


def test_our_own_listeners_do_not_count(layout: Layout, application: Application) -> None:
    with socket.create_server((layout.consul_host, 8500)) as listener:
        check_ports(layout, instances(application, layout), {os.getpid()})
        assert listener.getsockname()[1] == 8500


def test_a_taken_port_leaves_what_runs_running_and_no_file_behind(layout: Layout, application: Application) -> None:
    """Though Consul's configuration is another now, for which all that runs would be ended."""
    layout.state.mkdir(parents=True)
    running = Supervisor(layout.state, {"a": Program(("sleep", "600"), layout.state)})
    running.launch()
    try:
        running.start("a")
        files = set(layout.state.iterdir())
        mesh = Mesh(layout, application, {"consul": Path("consul"), "envoy": Path("envoy")})
        with socket.create_server(("127.0.0.1", layout.gateway_port)), pytest.raises(InputError, match="is taken by"):
            mesh.start(print)
        assert running.statuses()[0].state == "running"
        assert set(layout.state.iterdir()) == files
    finally:
        running.stop()
