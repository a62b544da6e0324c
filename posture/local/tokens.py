"""Who may do what in a stack's Consul: the operator, each member of the mesh, and Consul's own agent.

The secret ids are ours: generated once, kept beside Consul's data, and given to Consul, so that they are the same
after a restart, and even after Consul has lost its memory.

What no token guards: an agent hands a leaf certificate with its key to whoever asks, even without a token, once a
proxy has made it cache one (`/v1/agent/connect/ca/leaf`, whose cache key leaves the token out; Consul 1.22.7). So
whoever can connect to Consul's port on this machine can speak as any service of the mesh.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, uuid4, uuid5

from posture.errors import InputError
from posture.local.private import make_private, write_private
from posture.model.matrix import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from posture.local.consul import Consul
    from posture.model.application import Application

__all__ = ["Secrets", "grant", "keep_secrets", "load_secrets"]


@dataclass(frozen=True)
class Secrets:
    """Secret ids of tokens.

    Args:
        management: May do everything. Consul's configuration has it, and who sets up the mesh.
        agent: What Consul's agent registers its node with.
        operator: What postures are applied with.
        services: By the name of the service, client or gateway.
    """

    management: str
    agent: str
    operator: str
    services: Mapping[str, str]


def load_secrets(file: Path) -> Secrets | None:
    """The secrets that are kept, or None if there are none yet.

    Raises:
        InputError: What is kept is damaged.
    """
    try:
        found = Secrets(**json.loads(file.read_text()))
    except FileNotFoundError:
        return None
    except (TypeError, ValueError, RecursionError):
        found = None
    if found is None or not isinstance(found.services, dict):
        raise InputError("is damaged; end the stack with: posture down", file=file)
    return found


def keep_secrets(file: Path, names: Iterable[str]) -> Secrets:
    """The secrets that are kept, with new ones for names that have none."""
    kept = load_secrets(file) or Secrets(str(uuid4()), str(uuid4()), str(uuid4()), {})
    services = {**{name: str(uuid4()) for name in names}, **kept.services}
    secrets = Secrets(kept.management, kept.agent, kept.operator, services)
    if secrets != load_secrets(file):
        make_private(file.parent)
        write_private(file, json.dumps(asdict(secrets), indent=1))
    return secrets


def grant(consul: Consul, application: Application, secrets: Secrets, node: str, datacenter: str) -> None:
    """Make Consul's policies and tokens what they should be; what is so already is left alone.

    A service identity is Consul's own template: write for the service and its sidecar, read for what it may discover.

    Raises:
        MeshError: Consul refused; in its words.
    """
    operator = consul.keep_policy("operator", _operator_rules(secrets.services.keys() - {UNKNOWN}))
    gateway = consul.keep_policy("gateway", _GATEWAY_RULES)
    tokens: dict[str, tuple[str, dict[str, Any]]] = {
        "agent": (secrets.agent, {"NodeIdentities": [{"NodeName": node, "Datacenter": datacenter}]}),
        "operator": (secrets.operator, {"Policies": [{"ID": operator}]}),
    }
    for name in sorted({*application.sources, UNKNOWN}):
        body: dict[str, Any] = {"ServiceIdentities": [{"ServiceName": name}]}
        if name == application.gateway.name:
            body["Policies"] = [{"ID": gateway}]
        tokens[f"service {name}"] = (secrets.services[name], body)
    consul.keep_tokens(
        {"AccessorID": _accessor(secret), "SecretID": secret, "Description": description, **body}
        for description, (secret, body) in tokens.items()
    )


_GATEWAY_RULES = 'mesh = "read"'
"""An api-gateway's own: without it Consul reports "missing route" and serves nothing (routes' CanRead)."""


def _operator_rules(names: Iterable[str]) -> str:
    """What applying a posture takes: writing mesh-wide entries, defaults of our services and gateway, and intentions.

    Ours are also those that the application has had, whose entries are still to be deleted, and clients, which may have
    been services. The wildcard's intentions need the prefix rule. Agents are read because the official Pulumi provider
    asks one for its datacenter, services and nodes because the UI, in which the operator logs in, shows them.
    """
    services = [f'service "{name}" {{ policy = "write" intentions = "write" }}' for name in sorted(names)]
    return "\n".join(
        [
            'mesh = "write"',
            'service_prefix "" { policy = "read" intentions = "write" }',
            'node_prefix "" { policy = "read" }',
            'agent_prefix "" { policy = "read" }',
            *services,
        ]
    )


def _accessor(secret: str) -> str:
    """A token's public id: of the secret alone, so that neither has to be kept twice."""
    return str(uuid5(NAMESPACE_URL, f"consul-posture:{secret}"))
