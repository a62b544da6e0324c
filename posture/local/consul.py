"""The stack's Consul: one server that is its own client agent, bound to one loopback address, denying by default."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any, Self

import httpx

from posture.local.errors import MeshError
from posture.local.interrupts import interrupted_after
from posture.local.plain_http import NOBODY_TRUSTED
from posture.local.supervisor import Program

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from types import TracebackType

    from posture.local.layout import Layout
    from posture.local.tokens import Secrets

__all__ = ["DATACENTER", "NODE", "PORTS", "Consul", "consul_config", "consul_program", "is_enterprise"]

NODE = "local"
DATACENTER = "local"
PORTS = {
    "http": 8500,
    "grpc": 8502,
    "server": 8300,
    "serf_lan": 8301,
    "grpc_tls": -1,
    "https": -1,
    "dns": -1,
    "serf_wan": -1,
}
"""Consul's default ports; -1 turns off what one server on loopback has no use for."""


def is_enterprise(consul: Path) -> bool:
    """Whether a Consul is of the Enterprise edition, whose versions end in `+ent`."""
    done = subprocess.run([str(consul), "version"], capture_output=True, text=True, check=False)
    return "+ent" in done.stdout.partition("\n")[0]


def consul_config(layout: Layout, secrets: Secrets) -> str:
    """Consul's configuration file, as JSON. It holds the management token, which the arguments of a process may not."""
    return json.dumps(
        {
            "server": True,
            "bootstrap_expect": 1,
            "node_name": NODE,
            "datacenter": DATACENTER,
            "data_dir": str(layout.consul_data),
            "bind_addr": layout.consul_host,
            "client_addr": layout.consul_host,
            "ports": PORTS,
            "ui_config": {"enabled": True},
            "connect": {"enabled": True},
            "acl": {
                "enabled": True,
                "default_policy": "deny",
                "enable_token_persistence": True,
                "tokens": {"initial_management": secrets.management},
            },
            "default_intention_policy": "deny",
            "performance": {"raft_multiplier": 1},  # the quickest election there is: 1.5 s
            "disable_update_check": True,
            "disable_remote_exec": True,
            "log_level": "info",
        },
        indent=1,
    )


def consul_program(consul: Path, layout: Layout) -> Program:
    """How to run Consul's agent, so that it knows its services from us alone and not from its last run.

    However it was started again, it would serve the proxies that it remembers before its ACLs are up, and give them up
    for good ("ACL system must be bootstrapped", "data source in an irrecoverable state"; seen with Consul 1.22.7).
    """
    data = layout.consul_data.name
    script = f'rm -rf {data}/services {data}/checks && exec "$0" "$@"'
    return Program(("sh", "-c", script, str(consul), "agent", "-config-file", "consul.json"), layout.state)


class Consul:
    """Its HTTP API, with one token; a context manager.

    Args:
        address: The API's URL.
        token: The secret id of a token; empty for an anonymous caller.
    """

    def __init__(self, address: str, token: str) -> None:
        self._token = token
        # trust_env: a proxy that the user's environment names does not lead to loopback
        self._http = httpx.Client(base_url=address, timeout=10, trust_env=False, verify=NOBODY_TRUSTED)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def call(self, method: str, path: str, body: Any = None, token: str | None = None) -> Any:  # noqa: ANN401 - JSON
        """Send a request; JSON in, JSON out.

        Args:
            method: GET, PUT or DELETE.
            path: Below `/v1`.
            body: What to send, if anything.
            token: Another token's secret id, for this request.

        Returns:
            What Consul answered; None for an empty answer and for 404.

        Raises:
            MeshError: Consul did not answer, or refused; in its words.
        """
        try:
            with interrupted_after():
                answer = self._http.request(
                    method, f"/v1{path}", json=body, headers={"X-Consul-Token": self._token if token is None else token}
                )
        except httpx.TransportError as error:
            raise MeshError(f"Consul does not answer {method} {path}: {error}") from error
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        if answer.is_error:
            raise MeshError(f"Consul refused {method} {path}: {answer.text.strip()}")
        try:
            return answer.json() if answer.content else None
        except (ValueError, RecursionError):
            raise MeshError(f"Consul answers {method} {path} with what is no JSON; see what listens there") from None

    def ready(self) -> bool:
        """Whether a leader is there and knows this client's token, which takes it past setting up its ACLs."""
        try:
            return bool(self.call("GET", "/acl/token/self")) and bool(self.call("GET", "/status/leader"))
        except MeshError:
            return False

    def keep_policy(self, name: str, rules: str) -> str:
        """Make a policy what it should be.

        Returns:
            Its id.
        """
        found = self.call("GET", f"/acl/policy/name/{name}")
        if found and found["Rules"] == rules:
            return str(found["ID"])
        path = f"/acl/policy/{found['ID']}" if found else "/acl/policy"
        return str(self.call("PUT", path, {"Name": name, "Rules": rules})["ID"])

    def keep_tokens(self, tokens: Iterable[dict[str, Any]]) -> None:
        """Have tokens with these secrets, accessors and rights, each a body of Consul's `PUT /acl/token`."""
        known = {token["AccessorID"]: token for token in self.call("GET", "/acl/tokens")}
        for token in tokens:
            found = known.get(token["AccessorID"])
            if not found:
                self.call("PUT", "/acl/token", token)
            elif any(not _same_rights(found.get(key), token.get(key)) for key in _RIGHTS):
                self.call("PUT", f"/acl/token/{token['AccessorID']}", token)


_RIGHTS = ("Policies", "ServiceIdentities", "NodeIdentities")


def _same_rights(found: list[dict[str, Any]] | None, wanted: list[dict[str, Any]] | None) -> bool:
    """Whether rights are what they should be; Consul adds fields of its own, such as a policy's name."""
    found, wanted = found or [], wanted or []
    return len(found) == len(wanted) and all(
        own.items() <= other.items() for own, other in zip(wanted, found, strict=True)
    )
