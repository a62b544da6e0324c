"""Tells Consul's agent who is in the mesh: each instance with its sidecar, checks and upstreams, and the gateway."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from posture.local.instances import SIDECAR_PORT

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from posture.local.consul import Consul
    from posture.local.instances import Instance
    from posture.local.layout import Layout
    from posture.local.tokens import Secrets
    from posture.model.application import Application

__all__ = ["register", "unhealthy"]

Body = dict[str, Any]
_FINGERPRINT = "registration"
_OFTEN = {"Interval": "1s", "Timeout": "10s"}
"""A service is unhealthy until its first check passes, so the interval is most of a start's time.

Consul would take it for the timeout too, and one slow second of this machine would have callers answered 503, "no
healthy upstream" (measured). A process that has ended refuses its check at once.
"""


def register(
    consul: Consul, application: Application, instances: Iterable[Instance], layout: Layout, secrets: Secrets
) -> None:
    """Have the agent know exactly these members, each registered with its service's own token.

    What is registered as it should be is left alone: to register it again would make it unhealthy for a second.

    Raises:
        MeshError: Consul refused; in its words.
    """
    bodies = [_instance_body(instance) for instance in instances]
    bodies.append(_gateway_body(application.gateway.name, layout.gateway_port))
    known = consul.call("GET", "/agent/services")
    for body in bodies:
        text = json.dumps(body, sort_keys=True)
        fingerprint = hashlib.sha256(text.encode()).hexdigest()[:16]
        body["Meta"] = {**body.get("Meta", {}), _FINGERPRINT: fingerprint}
        if known.get(body["ID"], {}).get("Meta", {}).get(_FINGERPRINT) != fingerprint:
            consul.call("PUT", "/agent/service/register", body, token=secrets.services[body["Name"]])
    wanted = {body["ID"] for body in bodies}
    for name, service in known.items():
        if name not in wanted and service["Kind"] != "connect-proxy":  # a sidecar goes with its service
            consul.call("PUT", f"/agent/service/deregister/{name}")


def unhealthy(consul: Consul, instances: Iterable[Instance]) -> list[str]:
    """The members that Consul would not send a request to, or whose sidecar has no configuration yet.

    After a restart the catalog still has the checks of the time before, and the agent's own have yet to reach it,
    so both must have them.
    """
    catalog, agent = consul.call("GET", "/health/state/any"), consul.call("GET", "/agent/checks").values()
    passing = _passing(catalog) & _passing(agent)
    return [
        instance.name
        for instance in instances
        if instance.sidecar not in passing or (instance.port is not None and instance.name not in passing)
    ]


def _passing(checks: Collection[Body]) -> set[str]:
    """The ids of services all of whose checks pass; those that have none are not among them."""
    failing = {check["ServiceID"] for check in checks if check["Status"] != "passing"}
    return {check["ServiceID"] for check in checks} - failing


def _instance_body(instance: Instance) -> Body:
    upstreams = [
        {"DestinationName": callee, "LocalBindAddress": instance.address, "LocalBindPort": port}
        for callee, port in instance.upstreams.items()
    ]
    proxy: Body = {"LocalServiceAddress": instance.address, "Upstreams": upstreams}
    if instance.port:
        proxy["LocalServicePort"] = instance.port
    listening = {"Name": "Sidecar listens", "TCP": f"{instance.address}:{SIDECAR_PORT}", **_OFTEN}
    serving = {"Name": "Service is healthy", "AliasService": instance.name}
    sidecar = {
        "Address": instance.address,
        "Port": SIDECAR_PORT,
        "Checks": [listening, serving],
        "Proxy": proxy,
    }
    body: Body = {
        "ID": instance.name,
        "Name": instance.service,
        "Address": instance.address,
        "Connect": {"SidecarService": sidecar},
    }
    if instance.port:
        place = f"{instance.address}:{instance.port}"
        check = {"HTTP": f"http://{place}/health"} if instance.protocol == "http" else {"TCP": place}
        body |= {"Port": instance.port, "Check": {"Name": "Service answers", **check, **_OFTEN}}
    if instance.version:
        body |= {"Tags": [instance.version], "Meta": {"version": instance.version}}
    return body


def _gateway_body(name: str, port: int) -> Body:
    """The address decides where the gateway's listeners bind; the check passes once its entries are there."""
    check = {"Name": "Gateway listens", "TCP": f"127.0.0.1:{port}", **_OFTEN}
    return {"ID": name, "Name": name, "Kind": "api-gateway", "Address": "127.0.0.1", "Port": port, "Check": check}
