"""The `local` target: config entries in the Consul of a mesh that runs as processes of this machine."""

from __future__ import annotations

import json
import os
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pulumi
import pulumi_consul as consul

from posture.errors import InputError
from posture.model.entries import Kind
from posture.model.held import held_entries
from posture.model.order import entrance_first
from posture.program.config_entry import config_entry
from posture.program.gateway import Gateway, GatewayArgs
from posture.program.security import Security, SecurityArgs
from posture.program.settling import in_force

if TYPE_CHECKING:
    from posture.local.proxies import Proxies
    from posture.model.entries import Entry

__all__ = ["LocalMesh", "LocalMeshArgs"]

_PATIENCE = 5.0  # seconds
_OK = 200


@dataclass(frozen=True)
class LocalMeshArgs:
    """A posture's entries and the address of the Consul that takes them. The token comes from the environment.

    ``proxies`` is who tells whether the mesh's proxies enforce an entry.
    """

    entries: tuple[Entry, ...]
    consul_address: str
    proxies: Proxies


class LocalMesh(pulumi.ComponentResource):
    """A mesh that enforces a posture: security, then the gateway that lets visitors in, unless that only tightens.

    Raises:
        InputError: The mesh is not running or refuses to say what it has, and this is no preview.
    """

    def __init__(self, name: str, args: LocalMeshArgs) -> None:
        super().__init__("posture:local:Mesh", name)
        held = _held(args.consul_address)
        provider = consul.Provider("consul", address=args.consul_address, opts=pulumi.ResourceOptions(parent=self))
        hooks = in_force(args.proxies)
        security = SecurityArgs(args.entries, held, config_entry, hooks)

        def after(*resources: pulumi.Resource) -> pulumi.ResourceOptions:
            return pulumi.ResourceOptions(parent=self, providers=[provider], depends_on=list(resources))

        if entrance_first(held, args.entries):
            Security(name, security, after(Gateway(name, GatewayArgs(args.entries, hooks), after())))
        else:
            Gateway(name, GatewayArgs(args.entries), after(Security(name, security, after())))
        self.register_outputs({})


def _held(consul_address: str) -> tuple[Entry, ...]:
    """What Consul has now; nothing in a preview that can't ask, which shows the same changes in another order."""
    stack = pulumi.get_stack()
    try:
        return held_entries(_ask(consul_address)).entries
    except OSError:
        words = f"the mesh of stack '{stack}' is not running ({consul_address})"
        todo = f"start it with 'posture up --stack {stack}'"
    except HTTPException as error:
        words = f"Consul at {consul_address} does not say what it has ({error})"
        todo = f"""give it a token that may read config entries, as eval "$(posture env --stack {stack})" does"""
    if pulumi.runtime.is_dry_run():
        return ()
    raise InputError(f"{words}; {todo}")


def _ask(consul_address: str) -> list[dict[str, Any]]:
    # By the standard library: to load a client takes longer than all else that is done here.
    url = urlsplit(consul_address)
    headers = {"X-Consul-Token": os.environ.get("CONSUL_HTTP_TOKEN", "")}
    found = []
    with closing(HTTPConnection(url.hostname or "", url.port, timeout=_PATIENCE)) as connection:
        for kind in Kind:
            connection.request("GET", f"/v1/config/{kind}", headers=headers)
            answer = connection.getresponse()
            body = answer.read()
            if answer.status != _OK:
                raise HTTPException(f"{answer.status}: {body.decode(errors='replace').strip()}")
            found += json.loads(body)
    return found
