"""What the real thing does: a Consul, a service, and Envoys for it, for a client and for the gateway."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import httpx
import psutil
import pytest

from posture.errors import InputError
from posture.local.envoy import is_draining
from posture.local.mesh import Mesh, MeshError
from posture.local.proxies import Proxies
from posture.local.supervisor import Supervisor
from posture.local.tokens import load_secrets
from posture.model.entry import Kind
from tests.conftest import eventually

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from posture.model.application import Application

pytestmark = pytest.mark.mesh

PROCESSES = ["consul", "details-v1", "details-v1-envoy", "fortio-envoy", "gateway-envoy"]


def pids(mesh: Mesh) -> dict[str, int | None]:
    return {process.name: process.pid for process in mesh.status().processes}


def gone(pid: int | None) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def process_of(mesh: Mesh, name: str) -> psutil.Process:
    pid = pids(mesh)[name]
    assert pid  # without one psutil would take this process
    return psutil.Process(pid)


def kill(mesh: Mesh, name: str) -> None:
    process_of(mesh, name).kill()
    eventually(lambda: pids(mesh)[name] is None)  # not `gone`: of Envoy's threads the first to end makes it a zombie


def secrets_of(mesh: Mesh) -> set[str]:
    secrets = load_secrets(mesh._layout.secrets)
    assert secrets
    return {secrets.management, secrets.agent, secrets.operator, *secrets.services.values()}


def test_every_process_runs_and_the_mesh_is_healthy(mesh: Mesh) -> None:
    status = mesh.status()
    assert [process.name for process in status.processes] == PROCESSES
    assert all(process.state == "running" and process.since for process in status.processes)
    assert status.healthy
    assert status.consul_address == mesh.consul_address


def test_a_second_start_changes_no_process(mesh: Mesh) -> None:
    before = pids(mesh)
    mesh.start(print)
    assert pids(mesh) == before
    assert mesh.status().healthy


def test_a_start_with_another_configuration_begins_anew_on_its_own_ports(mesh: Mesh) -> None:
    before = pids(mesh)
    mesh._layout.consul_config.write_text("{}")
    mesh.start(print)
    mesh.wait_healthy(print)
    assert not before.items() & pids(mesh).items()


def test_no_token_is_in_arguments_or_environment(mesh: Mesh) -> None:
    processes = mesh._supervisor.processes()
    assert len(processes) == len(PROCESSES) + 1
    seen = "\n".join(str((process.cmdline(), process.environ())) for process in processes)
    assert "details" in seen
    assert not [secret for secret in secrets_of(mesh) if secret in seen]


def test_files_with_a_secret_are_for_their_owner_only(mesh: Mesh) -> None:
    state = mesh._layout.state
    assert [folder.stat().st_mode & 0o777 for folder in (state, state.parent)] == [0o700, 0o700]
    secrets = [secret.encode() for secret in secrets_of(mesh)] + [b"PRIVATE KEY"]
    holders = [
        file for file in state.rglob("*") if file.is_file() and any(secret in file.read_bytes() for secret in secrets)
    ]
    assert {"tokens.json", "consul.json", "details-v1.json", "key.pem"} <= {file.name for file in holders}
    assert {file: file.stat().st_mode & 0o777 for file in holders} == dict.fromkeys(holders, 0o600)
    assert not [file for file in holders if file.parent == mesh._layout.log]


def test_an_admin_api_is_for_its_owner_only(mesh: Mesh) -> None:
    admin = mesh._layout.admin_socket("details-v1")
    assert admin.stat().st_mode & 0o777 == 0o600
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(admin))) as client:
        assert client.get("http://envoy/ready").text == "LIVE\n"


def test_everything_listens_on_loopback(mesh: Mesh) -> None:
    listening = [
        connection.laddr.ip
        for process in mesh._supervisor.processes()
        for connection in process.net_connections("inet")
        if connection.laddr and connection.status != psutil.CONN_ESTABLISHED
    ]
    assert listening
    assert [address for address in listening if not address.startswith("127.")] == []


def test_a_killed_envoy_is_reported_by_name_and_healed_by_a_start(mesh: Mesh) -> None:
    before = pids(mesh)
    kill(mesh, "details-v1-envoy")
    status = mesh.status()
    dead = [process for process in status.processes if process.state == "dead"]
    assert [(process.name, process.exit) for process in dead] == [("details-v1-envoy", "terminated by SIGKILL")]
    assert any("envoy" in line or "source/" in line for line in dead[0].log)
    assert not status.healthy
    with pytest.raises(MeshError, match=r"details-v1-envoy died \(terminated by SIGKILL\)"):
        mesh.wait_healthy(print)
    mesh.start(print)
    mesh.wait_healthy(print)
    after = pids(mesh)
    assert {name for name in after if after[name] != before[name]} == {"details-v1-envoy"}


def test_a_killed_consul_is_healed_by_a_start(mesh: Mesh) -> None:
    kill(mesh, "consul")
    mesh.start(print)
    mesh.wait_healthy(print)
    assert mesh.status().healthy


def test_a_consul_started_again_behind_our_back_is_told_of_all_members(mesh: Mesh) -> None:
    kill(mesh, "consul")
    mesh._supervisor.start("consul")
    with mesh._consul() as consul:
        eventually(consul.ready)
        assert set(consul.call("GET", "/agent/services")) == set()
        assert not mesh.status().healthy
        mesh.wait_healthy(print, timeout=20)
        assert {"details-v1", "fortio", "gateway"} <= set(consul.call("GET", "/agent/services"))
    assert mesh.status().healthy


def test_a_service_that_stalls_for_two_seconds_is_still_called(mesh: Mesh) -> None:
    service = process_of(mesh, "details-v1")
    service.suspend()
    try:
        time.sleep(2.5)  # a check a second, and a second for its answer if nobody says otherwise
        with mesh._consul() as consul:
            checks = consul.call("GET", "/agent/checks?filter=ServiceName matches `details`").values()
    finally:
        service.resume()
    assert [check["Status"] for check in checks] == ["passing"] * 3


def test_a_write_is_in_force_when_its_proxy_has_heard_and_nothing_drains(mesh: Mesh, application: Application) -> None:
    proxies = Proxies(mesh._layout, application)
    before = proxies.updates()
    assert before.keys() == {"details-v1", "fortio"}
    entry = {"Kind": "service-intentions", "Name": "details", "Sources": [{"Name": "fortio", "Action": "allow"}]}
    with mesh._consul() as consul:
        consul.call("PUT", "/config", entry)
        try:
            assert proxies.wait_until_enforced([(Kind.SERVICE_INTENTIONS, "details")], before) == []
            now = proxies.updates()
            assert now["details-v1"] > before["details-v1"]
            assert not is_draining(mesh._layout, "details-v1")
        finally:
            consul.call("DELETE", "/config/service-intentions/details")


def test_an_envoy_that_is_gone_is_waited_for_by_nobody(mesh: Mesh, application: Application) -> None:
    proxies = Proxies(mesh._layout, application)
    kill(mesh, "fortio-envoy")
    try:
        before = proxies.updates()
        assert before.keys() == {"details-v1"}
        assert proxies.wait_until_enforced([(Kind.MESH, "mesh")], before) == []
    finally:
        mesh.start(print)
        mesh.wait_healthy(print)


def test_a_killed_supervisor_takes_its_children_along_and_a_start_brings_all_back(mesh: Mesh) -> None:
    before = pids(mesh)
    supervisord = int((mesh._layout.state / "supervisord.pid").read_text())
    psutil.Process(supervisord).kill()
    eventually(lambda: all(map(gone, before.values())))
    assert [process.state for process in mesh.status().processes] == ["stopped"] * len(PROCESSES)
    mesh.start(print)
    mesh.wait_healthy(print)
    assert not before.items() & pids(mesh).items()


def test_a_restart_keeps_certificate_and_tokens(mesh: Mesh) -> None:
    kept = mesh._layout.certificate.read_bytes(), mesh._layout.private_key.read_bytes(), secrets_of(mesh)
    mesh.stop()
    mesh.start(print)
    mesh.wait_healthy(print)
    assert (mesh._layout.certificate.read_bytes(), mesh._layout.private_key.read_bytes(), secrets_of(mesh)) == kept


@pytest.mark.parametrize(
    ("who", "method", "path", "body", "status"),
    [
        ("details", "PUT", "/v1/config", {"Kind": "service-defaults", "Name": "details"}, 200),
        (
            "details",
            "PUT",
            "/v1/config",
            {"Kind": "service-intentions", "Name": "details", "Sources": [{"Name": "*", "Action": "allow"}]},
            403,
        ),
        ("details", "PUT", "/v1/config", {"Kind": "mesh"}, 403),
        ("gateway", "PUT", "/v1/config", {"Kind": "http-route", "Name": "open"}, 403),
        ("fortio", "PUT", "/v1/agent/service/register", {"Name": "details"}, 403),
        ("fortio", "GET", "/v1/agent/connect/ca/leaf/stranger", None, 403),
        ("fortio", "GET", "/v1/agent/connect/ca/leaf/fortio", None, 200),
        ("operator", "PUT", "/v1/config", {"Kind": "mesh"}, 200),
        ("operator", "DELETE", "/v1/config/mesh/mesh", None, 200),
        ("operator", "PUT", "/v1/config", {"Kind": "service-defaults", "Name": "details"}, 200),
        ("operator", "PUT", "/v1/config", {"Kind": "service-defaults", "Name": "stranger"}, 403),
        ("operator", "PUT", "/v1/config", {"Kind": "service-defaults", "Name": "unknown"}, 403),
        ("operator", "DELETE", "/v1/config/service-defaults/details", None, 200),
        (
            "operator",
            "PUT",
            "/v1/config",
            {"Kind": "service-intentions", "Name": "*", "Sources": [{"Name": "*", "Action": "deny"}]},
            200,
        ),
        ("operator", "DELETE", "/v1/config/service-intentions/*", None, 200),
        ("operator", "GET", "/v1/agent/self", None, 200),
        ("operator", "GET", "/v1/acl/tokens", None, 403),
        ("operator", "PUT", "/v1/acl/token", {"Policies": [{"Name": "global-management"}]}, 403),
        ("operator", "PUT", "/v1/kv/x", None, 403),
        ("nobody", "GET", "/v1/config/service-defaults/details", None, 403),
    ],
)
def test_a_token_may_do_what_its_bearer_must(  # noqa: PLR0913, PLR0917 - a case is a request and its answer
    mesh: Mesh, who: str, method: str, path: str, body: dict[str, object] | None, status: int
) -> None:
    token = {"operator": mesh.operator_token(), "nobody": ""}.get(who) or mesh.service_token(who)
    answer = httpx.request(
        method, mesh.consul_address + path, json=body, headers={"X-Consul-Token": token}, timeout=10, trust_env=False
    )
    assert (answer.status_code, answer.text if answer.status_code != status else "") == (status, "")


def test_a_stop_leaves_no_process_and_a_removal_no_file(make_mesh: Callable[..., Mesh], tmp_path: Path) -> None:
    mesh = make_mesh(tmp_path)
    mesh.start(print)
    started = [process.pid for process in mesh._supervisor.processes()]
    mesh.stop()
    assert [pid for pid in started if not gone(pid)] == []
    mesh.stop()
    Mesh.remove(mesh._layout)
    Mesh.remove(mesh._layout)
    assert list(tmp_path.iterdir()) == []


def test_a_stop_ends_the_mesh_though_its_supervisor_and_files_are_gone(
    make_mesh: Callable[..., Mesh], tmp_path: Path
) -> None:
    mesh = make_mesh(tmp_path)
    mesh.start(print)
    started = [process.pid for process in mesh._supervisor.processes()]
    (mesh._layout.state / "supervisor.sock").unlink()
    mesh.stop()
    assert [pid for pid in started if not gone(pid)] == []


def test_two_stacks_run_side_by_side_below_a_path_too_long_for_a_socket(
    make_mesh: Callable[..., Mesh], tmp_path: Path
) -> None:
    folders = [tmp_path / "a", tmp_path / ("long % ;#' " * 15)]
    meshes = []
    for folder in folders:
        folder.mkdir()
        meshes.append(make_mesh(folder))
        meshes[-1].start(print)
    for mesh in meshes:
        mesh.wait_healthy(print)
    meshes[0].stop()
    assert meshes[1].status().healthy
    assert meshes[0].operator_token() != meshes[1].operator_token()


def test_a_taken_port_is_reported_before_anything_starts(make_mesh: Callable[..., Mesh], tmp_path: Path) -> None:
    mesh = make_mesh(tmp_path)
    with socket.create_server(("127.0.0.1", mesh._layout.gateway_port)):
        with pytest.raises(InputError, match=rf"127\.0\.0\.1:{mesh._layout.gateway_port} is taken by .*gatewayPort"):
            mesh.start(print)
        assert mesh._supervisor.processes() == []


def test_a_service_that_dies_at_once_is_reported_with_what_it_said(
    make_mesh: Callable[..., Mesh], tmp_path: Path, application: Application
) -> None:
    command = (sys.executable, "-c", "import sys; sys.exit('no book; #1')")
    broken = application.services["details"].model_copy(update={"command": command})
    mesh = make_mesh(tmp_path, application.model_copy(update={"services": {"details": broken}}))

    def bring_up() -> None:
        mesh.start(print)
        mesh.wait_healthy(print)  # who dies late in the start is started once more

    with pytest.raises(MeshError, match=r"details-v1 died \(exit status 1\)") as raised:
        bring_up()
    assert set(raised.value.log) == {"no book; #1"}


@pytest.mark.parametrize("moment", ["starting Consul", "registering", "Envoys"])
def test_ctrl_c_leaves_nothing_behind(
    make_mesh: Callable[..., Mesh], tmp_path: Path, application: Application, mesh_tools: dict[str, Path], moment: str
) -> None:
    mesh = make_mesh(tmp_path)
    layout = mesh._layout
    script = f"""
import os, signal
from pathlib import Path
from posture.local.layout import Layout
from posture.local.mesh import Mesh
from posture.model.application import Application
def report(step):
    if {moment!r} in step:
        os.kill(os.getpid(), signal.SIGINT)
layout = Layout({layout.stack!r}, Path({str(layout.root)!r}), {layout.network!r}, {layout.gateway_port})
application = Application.model_validate_json({application.model_dump_json()!r})
tools = {{name: Path(path) for name, path in {json.dumps({k: str(v) for k, v in mesh_tools.items()})}.items()}}
Mesh(layout, application, tools).start(report)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (-signal.SIGINT, "KeyboardInterrupt")
    assert mesh._supervisor.processes() == []


def test_ctrl_c_keeps_what_ran_before(mesh: Mesh) -> None:
    before = pids(mesh)
    kill(mesh, "fortio-envoy")

    def interrupt(step: str) -> None:
        if "Envoys" in step:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        mesh.start(interrupt)
    after = pids(mesh)
    assert {name for name in before if after[name] != before[name]} == {"fortio-envoy"}
    mesh.start(print)
    mesh.wait_healthy(print)


def test_ctrl_c_just_before_a_changed_application_restarts_the_mesh_keeps_what_ran(
    mesh: Mesh, application: Application, mesh_tools: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_: Supervisor) -> None:
        raise KeyboardInterrupt

    before = pids(mesh)
    clients = {**application.clients, "another": application.clients["fortio"]}
    changed = Mesh(mesh._layout, application.model_copy(update={"clients": clients}), mesh_tools)
    monkeypatch.setattr(Supervisor, "stop", interrupt)
    with pytest.raises(KeyboardInterrupt):
        changed.start(print)
    assert pids(mesh) == before
