"""Consul, an Envoy, or the whole machine ends."""

from __future__ import annotations

import shutil
import signal
import socket
import time
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

import psutil

from posture.local.supervisor import Supervisor
from tests.faults.fault import Fault, Struck, TooLateError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from random import Random

    from tests.faults.subject import Running, Subject

FAILED, BAD_INPUT = 1, 2
KILLED = -signal.SIGKILL


def _kill(processes: Iterable[psutil.Process]) -> None:
    """All of them, at once for all that they can tell."""
    found = list(processes)
    for how in ("suspend", "kill"):
        for each in found:
            with suppress(psutil.NoSuchProcess):
                getattr(each, how)()
    psutil.wait_procs(found, timeout=10)


def _in_time(running: Running, towards: str) -> None:
    if running.ended:
        running.end(0)
        raise TooLateError(towards)


def consul_killed(subject: Subject, random: Random) -> Struck:
    towards = subject.others(random)
    consul = psutil.Process(subject.pid("consul"))
    running = subject.up(towards)
    running.engine()
    time.sleep(random.uniform(0, subject.engine_seconds))
    _in_time(running, towards)
    consul.kill()
    said = running.end(0)
    healed = "consul died (terminated by SIGKILL); starting it again" in said
    assert subject.process("consul").state == ("running" if healed else "dead"), said  # or `up` had no more need of it
    return Struck(random.choice([towards, subject.posture]))


def consul_killed_at_rest(subject: Subject, random: Random) -> Struck:
    psutil.Process(subject.pid("consul")).kill()
    said = subject.project.posture("status", "--stack", subject.name, check=FAILED).stdout
    assert any("consul" in line and "SIGKILL" in line for line in said.splitlines()), said
    time.sleep(random.uniform(0, 10))  # an absence of any length: by default an Envoy asks less and less often
    return Struck(random.choice([subject.others(random), subject.posture]))


def consul_restarted(subject: Subject, random: Random) -> Struck:
    towards = subject.others(random)
    consul = psutil.Process(subject.pid("consul"))
    running = subject.up(towards)
    running.engine()
    time.sleep(random.uniform(0, subject.engine_seconds))
    _in_time(running, towards)
    _restart(subject, consul, random)
    running.end(0, FAILED)
    return Struck(random.choice([towards, subject.posture]))


def consul_and_gateway_restarted(subject: Subject, random: Random) -> Struck:
    _restart(subject, psutil.Process(subject.pid("consul")), random)
    gateway = f"{subject.mesh.gateway.name}-envoy"
    psutil.Process(subject.pid(gateway)).kill()
    Supervisor(subject.state, {}).start(gateway)
    subject.project.posture("status", "--stack", subject.name, check=FAILED)
    return Struck(random.choice([subject.others(random), subject.posture]))


def _restart(subject: Subject, consul: psutil.Process, random: Random) -> None:
    consul.kill()
    psutil.wait_procs([consul], timeout=10)
    time.sleep(random.uniform(0, 1))
    Supervisor(subject.state, {}).start("consul")


def consul_forgets(subject: Subject, random: Random) -> Struck:
    psutil.Process(subject.pid("consul")).kill()
    shutil.rmtree(subject.stack.layout.consul_data)
    return Struck(random.choice([subject.others(random), subject.posture]))


def _an_envoy(subject: Subject, random: Random) -> str:
    envoys = [each.name for each in subject.mesh.status().processes if each.name.endswith("-envoy")]
    return random.choice(envoys)


def envoy_killed_at_rest(subject: Subject, random: Random) -> Struck:
    name = _an_envoy(subject, random)
    psutil.Process(subject.pid(name)).kill()
    said = subject.project.posture("status", "--stack", subject.name, check=FAILED).stdout
    assert any(name in line and "SIGKILL" in line for line in said.splitlines()), said
    return Struck(random.choice([subject.others(random), subject.posture]))


def envoy_killed_during_up(subject: Subject, random: Random) -> Struck:
    name, towards = _an_envoy(subject, random), subject.others(random)
    envoy = psutil.Process(subject.pid(name))
    running = subject.up(towards)
    time.sleep(random.uniform(0, subject.up_seconds))
    _in_time(running, towards)
    envoy.kill()
    running.end(0, FAILED)
    return Struck(random.choice([towards, subject.posture]))


def machine_off(subject: Subject, random: Random) -> Struck:
    _kill(subject.supervised())
    subject.project.posture("status", "--stack", subject.name, check=FAILED)
    _lose_runtime_files(subject, random)
    return Struck(random.choice([subject.others(random), subject.posture]))


def machine_off_during_up(subject: Subject, random: Random) -> Struck:
    towards = subject.others(random)
    running = subject.up(towards)
    time.sleep(random.uniform(0, subject.up_seconds))
    _in_time(running, towards)
    command = psutil.Process(running.process.pid)
    _kill([command, *command.children(recursive=True), *subject.supervised()])
    running.end(0, KILLED)
    return Struck(random.choice([towards, subject.posture]))


def _lose_runtime_files(subject: Subject, random: Random) -> None:
    """Some of what a restart makes anew: sockets, pid files, what starts the plugins, the Envoys' bootstraps."""
    files = [
        "supervisor.sock",
        "supervisord.pid",
        "supervisord.conf",
        "programs.json",
        "plugins",
        "envoy",
        "log",
        "lock",
    ]
    for name in random.sample(files, random.randint(0, len(files))):
        file = subject.state / name
        shutil.rmtree(file) if file.is_dir() else file.unlink(missing_ok=True)


def machine_off_and_a_port_taken(subject: Subject, random: Random) -> Struck:
    layout, instances = subject.stack.layout, subject.mesh.instances
    places = [
        ("127.0.0.1", layout.gateway_port),
        (layout.consul_host, 8500),
        (layout.consul_host, 8300),
        *((each.address, 20000) for each in instances),
        *((each.address, each.port) for each in instances if each.port),
    ]
    _kill(subject.supervised())
    place = random.choice(places)
    with ExitStack() as taken:
        taken.enter_context(socket.create_server(place))
        said = subject.up(subject.posture).error(BAD_INPUT)
    assert f"port {place[0]}:{place[1]} is taken by" in said
    assert not subject.supervised()
    return Struck(random.choice([subject.others(random), subject.posture]))


PROCESS_FAULTS = (
    Fault("consul-killed", "Consul gets SIGKILL at a random moment of a `posture up`", consul_killed),
    Fault("consul-killed-at-rest", "the same, with nothing going on", consul_killed_at_rest),
    Fault(
        "consul-restarted", "it is killed during a `posture up`, and started again behind its back", consul_restarted
    ),
    Fault(
        "consul-and-gateway-restarted",
        "Consul and the gateway's Envoy get SIGKILL and are started again, behind its back",
        consul_and_gateway_restarted,
    ),
    Fault("consul-forgets", "Consul gets SIGKILL and its data are deleted", consul_forgets),
    Fault("envoy-killed-at-rest", "a random Envoy gets SIGKILL, with nothing going on", envoy_killed_at_rest),
    Fault(
        "envoy-killed-during-up",
        "a random Envoy gets SIGKILL at a random moment of a `posture up`",
        envoy_killed_during_up,
    ),
    Fault("machine-off", "all processes get SIGKILL; run-time files stay, some at random are gone", machine_off),
    Fault(
        "machine-off-during-up", "the same at a random moment of a `posture up`, engine and all", machine_off_during_up
    ),
    Fault(
        "machine-off-port-taken",
        "the same, and somebody else takes a random port of the stack",
        machine_off_and_a_port_taken,
    ),
)
