"""Is there a way past mutual TLS that a posture doesn't speak of? The Envoys' own listeners are asked, then tried.

Consul opens such ways for `Expose` (a listener in plain text, beside the sidecar's own), and for `MutualTLSMode`
permissive: a filter chain for plaintext that is sent to the service's own port, which Consul 1.22 adds only where
proxies are transparent (`makeInboundListener` in agent/xds/listeners.go). Where they are not, no traffic shows that a
service is permissive, but its entry does.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from posture.verify.attempts import Reply, attempt, get
from posture.verify.findings import Finding, Outcome, Section
from posture.verify.target import Endpoint

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from posture.model.application import Application
    from posture.verify.target import Target

__all__ = ["opening_findings"]


def opening_findings(target: Target, application: Application) -> list[Finding]:
    """Look for listeners that take anybody's traffic, and for services that may.

    Returns:
        One for each instance of a service, on its Envoy's inbound listeners; one on the entries that Consul holds.
    """
    instances = [instance for name in application.services for instance in target.instances(name)]
    return [*(_of_sidecar(target, instance) for instance in instances), _permissive(target)]


def _of_sidecar(target: Target, instance: str) -> Finding:
    name, expected = f"{instance} has no entrance without a certificate", "each inbound listener asks for one"
    dump = target.envoy(instance, "/config_dump?resource=dynamic_listeners")
    if dump is None:
        return Finding(Section.MTLS, name, Outcome.NOT_MEASURED, expected, "its Envoy's admin API doesn't answer")
    listeners = list(_inbound(json.loads(dump)))
    checks = target.health_checks(instance)
    plain = [listener for listener in listeners if not all(map(_insists, _chains(listener)))]
    openings = [_try(target, instance, listener) for listener in plain if not _is_for(listener, checks)]
    if openings:
        return Finding(Section.MTLS, name, Outcome.FAILS, expected, "; ".join(openings))
    if not listeners:
        return Finding(Section.MTLS, name, Outcome.NOT_MEASURED, expected, "its Envoy has no inbound listener")
    places = ", ".join(_place(listener) for listener in listeners if listener not in plain)
    probed = "".join(f"; {_place(each)} gives health checks their path only" for each in plain)
    return Finding(Section.MTLS, name, Outcome.HOLDS, expected, f"asked for on {places}{probed}")


def _permissive(target: Target) -> Finding:
    """On entries of any origin, in the API's words."""
    found = [
        f"{entry['Kind']}/{entry.get('Name', 'mesh')} {field}"
        for entry in target.entries()
        for field, wrong in (("MutualTLSMode", "permissive"), ("AllowEnablingPermissiveMutualTLS", True))
        if entry.get(field) == wrong
    ]
    outcome = Outcome.FAILS if found else Outcome.HOLDS
    name = "no service is, or may be made, permissive"
    return Finding(Section.MTLS, name, outcome, "mutual TLS is strict", "; ".join(found) or "strict in all entries")


def _inbound(dump: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for entry in dump.get("configs", ()):
        listener = entry.get("active_state", {}).get("listener", {})
        if listener.get("traffic_direction") == "INBOUND":
            yield listener


def _chains(listener: dict[str, Any]) -> list[dict[str, Any]]:
    """All filter chains; none at all would let nobody in."""
    default = listener.get("default_filter_chain")
    return [*listener.get("filter_chains", ()), *([default] if default else [])]


def _insists(chain: dict[str, Any]) -> bool:
    return bool(chain.get("transport_socket", {}).get("typed_config", {}).get("require_client_certificate"))


def _is_for(listener: dict[str, Any], checks: Mapping[int, str]) -> bool:
    """Whether a listener leads to nothing but the path of a health check.

    consul-k8s has the sidecar open a port for each HTTP probe of a pod, for the kubelet has no certificate.
    """
    path = checks.get(_endpoint("", listener).port)
    configs = [each.get("typed_config", {}) for chain in _chains(listener) for each in chain.get("filters", ())]
    hosts = [host for config in configs for host in config.get("route_config", {}).get("virtual_hosts", ())]
    matches = [route["match"] for host in hosts for route in host["routes"]]
    return bool(path and matches) and all(match == {"path": path} for match in matches) and len(configs) == 1


def _place(listener: dict[str, Any]) -> str:
    return "{0.host}:{0.port}".format(_endpoint("", listener))


def _endpoint(instance: str, listener: dict[str, Any]) -> Endpoint:
    address = listener["address"]["socket_address"]
    return Endpoint(instance, address["address"], address["port_value"])


def _try(target: Target, instance: str, listener: dict[str, Any]) -> str:
    if target.near is None:
        return f"{listener['name']} takes anybody's traffic"
    endpoint = _endpoint(instance, listener)
    got = attempt(endpoint, get("/", instance))
    answer = f"answers plaintext: {got.words}" if got.reply is Reply.ANSWERED else f"plaintext to it: {got.words}"
    return f"{listener['name']} {answer}"
