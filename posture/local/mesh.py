"""A whole mesh on one machine: Consul, each service with its Envoy, clients, and the gateway, started and ended as one.

Consul and the applications start at once; the Envoys follow when Consul knows them. What is there already is left
alone, so that starting again brings up only what is down.
"""

from __future__ import annotations

import shutil
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from posture.local.certificate import ensure_certificate
from posture.local.consul import DATACENTER, NODE, Consul, consul_config, consul_program
from posture.local.envoy import envoy_program, is_connected, is_draining, is_live, write_bootstraps
from posture.local.errors import MeshError
from posture.local.instances import Instance, instances
from posture.local.ports import check_ports
from posture.local.private import write_private
from posture.local.registration import register, unhealthy
from posture.local.supervisor import ProcessStatus, Program, Supervisor
from posture.local.tokens import Secrets, grant, keep_secrets, load_secrets
from posture.model.matrix import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from posture.local.layout import Layout
    from posture.model.application import Application, Gateway

__all__ = ["Mesh", "MeshError", "MeshStatus", "ProcessStatus"]

_CONSUL = "consul"
_POLL = 0.1


@dataclass(frozen=True)
class MeshStatus:
    """How a mesh is doing.

    Args:
        consul_address: The URL of Consul's API, and of its UI below `/ui`.
        healthy: Every process runs, every service instance passes Consul's checks, and every Envoy hears of changes.
            The gateway's listener is no part of it: it needs config entries, which a mesh is started without.
        processes: Consul first, then the applications, then the Envoys.
    """

    consul_address: str
    healthy: bool
    processes: tuple[ProcessStatus, ...]

    @property
    def running(self) -> bool:
        """Whether every process runs."""
        return all(process.state == "running" for process in self.processes)


class Mesh:
    """The processes of one stack.

    Args:
        layout: The stack's places.
        application: What runs in it.
        tools: The programs `consul` and `envoy`.
        envoy_workers: The worker threads of each Envoy.

    Raises:
        InputError: More members than there are addresses.
    """

    def __init__(
        self, layout: Layout, application: Application, tools: Mapping[str, Path], envoy_workers: int = 1
    ) -> None:
        self._layout = layout
        self._application = application
        self._tools = tools
        self._envoy_workers = envoy_workers
        self._instances = instances(application, layout)

    @property
    def consul_address(self) -> str:
        """The URL of Consul's HTTP API, and of its UI below `/ui`."""
        return self._layout.consul_address

    @property
    def instances(self) -> tuple[Instance, ...]:
        """Who is in the mesh, and where."""
        return self._instances

    @property
    def gateway(self) -> Gateway:
        """By which visitors come in."""
        return self._application.gateway

    @property
    def consul(self) -> ProcessStatus:
        """How Consul's process is doing."""
        return next(each for each in self._supervisor.statuses() if each.name == _CONSUL)

    def operator_token(self) -> str:
        """The secret id of the token that postures are applied with; empty if the mesh was never started."""
        secrets = load_secrets(self._layout.secrets)
        return secrets.operator if secrets else ""

    def service_token(self, name: str) -> str:
        """The secret id of a service's, client's or the gateway's token; empty if the mesh was never started."""
        secrets = load_secrets(self._layout.secrets)
        return secrets.services.get(name, "") if secrets else ""

    def start(self, report: Callable[[str], None]) -> None:
        """Bring up what is down; return when Consul leads, everybody is registered and every process runs.

        Nobody else may be at it: see `exclusively`.

        Ctrl-C ends what this call has started, and is then raised again.

        Args:
            report: Is told each step, in a few words.

        Raises:
            InputError: A port is taken; nothing was changed.
            MeshError: A process died, or Consul did not get ready or refused something.
        """
        check_ports(self._layout, self._instances, {process.pid for process in self._supervisor.processes()})
        secrets = keep_secrets(self._layout.secrets, {*self._application.sources, UNKNOWN})
        gateway = self._application.gateway
        ensure_certificate(self._layout.certificate, self._layout.private_key, gateway.hostname, gateway.host)
        self._write_consul_config(consul_config(self._layout, secrets))
        running = self._running()
        try:
            if self._supervisor.launch():
                running = set()
            self._bring_up(secrets, report)
        except (KeyboardInterrupt, SystemExit):
            if running:
                self._supervisor.end(*(self._programs.keys() - running))
            else:
                self._supervisor.stop()
            raise

    def check_alive(self, *names: str) -> None:
        """Make sure that these processes run; all of them, if none is named.

        Raises:
            MeshError: One doesn't; with the end of its log.
        """
        wanted = names or self._programs
        down = [each for each in self._supervisor.statuses() if each.name in wanted and each.state != "running"]
        if down:
            log = next((each.log for each in down if each.log), ())
            raise MeshError(f"{', '.join(map(str, down))}; logs are in {self._layout.log}", log)

    def wait_healthy(self, report: Callable[[str], None], timeout: float = 60) -> None:
        """Wait until every instance passes its checks, and every Envoy has its configuration and hears of changes.

        A Consul that was restarted behind our back since `start` knows nobody any more: it is told of all again.

        Args:
            report: Is told what is waited for.
            timeout: How long at most, in seconds.

        Raises:
            MeshError: A process died, or somebody is not healthy in time.
        """
        report(f"waiting for {len(self._instances)} members to be healthy")
        with self._consul() as consul:

            def healthy() -> bool:
                if not self._unhealthy(consul):
                    return True
                self._register(consul)
                return False

            self._until(healthy, timeout, lambda: f"not healthy: {', '.join(self._unhealthy(consul))}")

    def wait_drained(self, timeout: float = 30) -> None:
        """Wait until no Envoy has a connection left that was opened under earlier rules.

        Raises:
            MeshError: A process died, or one still has such connections when the time (seconds) is up.
        """
        names = [*(each.name for each in self._instances), self._application.gateway.name]
        self._until(
            lambda: not any(is_draining(self._layout, name) for name in names),
            timeout,
            lambda: "connections of before the change are still open",
        )

    def renew_gateway(self) -> None:
        """Register the gateway anew, so that Consul gathers all that its Envoy needs from the start.

        Consul 1.22.7 loses the endpoints of a service behind a gateway for good when the `service-defaults` with its
        protocol is deleted, though it comes back. The Envoy goes on meanwhile as it is.

        Raises:
            MeshError: Consul refused; in its words.
        """
        with self._consul() as consul:
            consul.call("PUT", f"/agent/service/deregister/{self.gateway.name}")
            self._register(consul)

    def stop(self) -> None:
        """End every process and return when they are gone; Consul's data, tokens and certificate stay."""
        self._supervisor.stop()

    @staticmethod
    def remove(layout: Layout) -> None:
        """End a stack's processes and remove its files, whatever its application has become since they were made."""
        Supervisor(layout.state, {}).stop()
        shutil.rmtree(layout.state, ignore_errors=True)
        with suppress(OSError):  # another stack is in there
            layout.state.parent.rmdir()

    def status(self) -> MeshStatus:
        """How every process is doing. Changes nothing, and needs nothing to be running."""
        processes = self._supervisor.statuses()
        healthy = all(process.state == "running" for process in processes)
        if healthy:
            try:
                with self._consul() as consul:
                    healthy = not self._unhealthy(consul)
            except MeshError:
                healthy = False
        return MeshStatus(self.consul_address, healthy, processes)

    def _bring_up(self, secrets: Secrets, report: Callable[[str], None]) -> None:
        applications = [instance.name for instance in self._instances if instance.command]
        report(f"starting Consul and {len(applications)} services")
        self._supervisor.start(_CONSUL, *applications)
        with self._consul() as consul:
            self._until(consul.ready, 30, lambda: "Consul has no leader yet", _CONSUL, *applications)
            report("registering the members of the mesh")
            grant(consul, self._application, secrets, NODE, DATACENTER)
            consul.call("PUT", "/agent/token/agent", {"Token": secrets.agent})
            self._register(consul)
        down = self._programs.keys() - self._running()
        sidecars = {each.name: secrets.services[each.service] for each in self._instances}
        gateways = {self._application.gateway.name: secrets.services[self._application.gateway.name]}
        wanted = {name for name in (*sidecars, *gateways) if _envoy_of(name) in down}
        report(f"starting {len(wanted)} Envoys")
        write_bootstraps(
            self._tools["consul"],
            self._layout,
            {name: token for name, token in sidecars.items() if name in wanted},
            {name: token for name, token in gateways.items() if name in wanted},
        )
        self._supervisor.start(*(name for name in self._programs if name in down))
        self.check_alive()

    @cached_property
    def _programs(self) -> dict[str, Program]:
        envoy = self._tools["envoy"]
        programs = {_CONSUL: consul_program(self._tools["consul"], self._layout)}
        for each in self._instances:
            if each.command:
                command = (sys.executable if each.command[0] == "python" else each.command[0], *each.command[1:])
                programs[each.name] = Program(command, self._layout.root.absolute(), each.environment)
        for name in (*(each.name for each in self._instances), self._application.gateway.name):
            programs[_envoy_of(name)] = envoy_program(envoy, self._layout, name, self._envoy_workers)
        return programs

    @cached_property
    def _supervisor(self) -> Supervisor:
        return Supervisor(self._layout.state, self._programs)

    def _consul(self) -> Consul:
        secrets = load_secrets(self._layout.secrets)
        return Consul(self.consul_address, secrets.management if secrets else "")

    def _register(self, consul: Consul) -> None:
        secrets = load_secrets(self._layout.secrets)
        if secrets:
            register(consul, self._application, self._instances, self._layout, secrets)

    def _unhealthy(self, consul: Consul) -> list[str]:
        """Members that Consul calls unhealthy, or whose Envoy waits for its first configuration or for Consul."""
        critical = unhealthy(consul, self._instances)
        names = [each.name for each in self._instances]
        return critical or [
            name
            for name in (*names, self.gateway.name)
            if not is_connected(self._layout, name) or (name in names and not is_live(self._layout, name))
        ]

    def _running(self) -> set[str]:
        return {process.name for process in self._supervisor.statuses() if process.state == "running"}

    def _write_consul_config(self, config: str) -> None:
        file = self._layout.consul_config
        if not file.exists() or file.read_text() != config:
            self._supervisor.stop()
            write_private(file, config)

    def _until(self, condition: Callable[[], bool], timeout: float, failure: Callable[[], str], *names: str) -> None:
        deadline = time.monotonic() + timeout
        while True:
            self.check_alive(*names)
            if condition():
                return
            if time.monotonic() > deadline:
                raise MeshError(f"{failure()} after {timeout:.0f} s; see {self._layout.log}")
            time.sleep(_POLL)


def _envoy_of(name: str) -> str:
    return f"{name}-envoy"
