"""The gateway's entries as objects of the Gateway API (`gateway.networking.k8s.io`), and back.

consul-k8s turns a `Gateway` into `api-gateway`, the Secret that it names into `file-system-certificate`, an `HTTPRoute`
into `http-route` (control-plane/api-gateway/common/translation.go, the same in 1.9.7 and 2.0.3). A prefix is one of
the text there, other than in the Gateway API's own words, where it is one of whole segments.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from posture.model.entry import Entry, Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from posture.model.manifests.placement import Manifest, Placement

__all__ = [
    "ANY_HOST",
    "CONTROLLER",
    "GATEWAY_CLASS",
    "GROUP",
    "KINDS",
    "read_gateway_object",
    "render_certificate",
    "render_gateway",
    "render_reference_grant",
    "render_route",
]

GROUP = "gateway.networking.k8s.io"
GATEWAY_CLASS = "consul"
"""The class that the chart makes."""

CONTROLLER = "consul.hashicorp.com/gateway-controller"
"""What consul-k8s signs with in the status of routes that it has taken up."""

ANY_HOST = "*"
"""A listener's hostname in Consul that the Gateway API has no word for: one without a hostname takes them all."""

KINDS = {"Gateway": Kind.API_GATEWAY, "HTTPRoute": Kind.HTTP_ROUTE}
_TLS_OPTIONS = {
    "MinVersion": "api-gateway.consul.hashicorp.com/tls_min_version",
    "MaxVersion": "api-gateway.consul.hashicorp.com/tls_max_version",
}
_MATCHES = {"exact": "Exact", "prefix": "PathPrefix", "regex": "RegularExpression"}
_KINDS_OF_MATCH = {gateway_api: consul for consul, gateway_api in _MATCHES.items()}


def render_gateway(entry: Entry, placement: Placement) -> Manifest:
    """The `Gateway` for an `api-gateway` entry; its certificate is the placement's Secret."""
    return {
        "apiVersion": f"{GROUP}/{placement.gateway_api}",
        "kind": "Gateway",
        "metadata": placement.metadata(entry.name),
        "spec": {
            "gatewayClassName": GATEWAY_CLASS,
            "listeners": [_listener(listener, placement) for listener in entry.body["Listeners"]],
        },
    }


def render_route(entry: Entry, placement: Placement, ports: Mapping[str, int]) -> Manifest:
    """The `HTTPRoute` for an `http-route` entry; ``ports`` are those of the services that it leads to."""
    return {
        "apiVersion": f"{GROUP}/{placement.gateway_api}",
        "kind": "HTTPRoute",
        "metadata": placement.metadata(entry.name),
        "spec": {
            "parentRefs": [
                {"name": parent["Name"], "sectionName": parent["SectionName"]} for parent in entry.body["Parents"]
            ],
            **({"hostnames": entry.body["Hostnames"]} if "Hostnames" in entry.body else {}),
            "rules": [
                {
                    "matches": [
                        {"path": {"type": _MATCHES[match["Path"]["Match"]], "value": match["Path"]["Value"]}}
                        for match in rule["Matches"]
                    ],
                    "backendRefs": [
                        {"name": service["Name"], "port": ports[service["Name"]]} for service in rule["Services"]
                    ],
                }
                for rule in entry.body["Rules"]
            ],
        },
    }


def render_certificate(placement: Placement, certificate: str, key: object) -> Manifest:
    """The gateway's TLS Secret, where its certificate is given in PEM; the key may be anything that stands for one."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": placement.metadata(placement.certificate_name, placement.certificate_namespace),
        "type": "kubernetes.io/tls",
        "stringData": {"tls.crt": certificate, "tls.key": key},
    }


def render_reference_grant(placement: Placement) -> Manifest | None:
    """Leave for the gateway to use a Secret of another namespace; None where the Secret is in the same one."""
    if placement.certificate_namespace == placement.namespace:
        return None
    return {
        "apiVersion": f"{GROUP}/v1beta1",
        "kind": "ReferenceGrant",
        "metadata": placement.metadata(f"{placement.application}-gateway", placement.certificate_namespace),
        "spec": {
            "from": [{"group": GROUP, "kind": "Gateway", "namespace": placement.namespace}],
            "to": [{"group": "", "kind": "Secret", "name": placement.certificate_name}],
        },
    }


def read_gateway_object(manifest: Manifest) -> Entry:
    """The entry that a `Gateway` or an `HTTPRoute` becomes; a certificate goes by its Secret's name.

    Raises:
        KeyError: An object of another kind, or a route that matches in a way which `http-route` entries don't have.
    """
    kind, name, spec = KINDS[manifest["kind"]], manifest["metadata"]["name"], manifest["spec"]
    if kind is Kind.API_GATEWAY:
        return Entry(kind, name, {"Listeners": [_read_listener(each) for each in spec.get("listeners") or []]})
    parents = [
        {"Kind": Kind.API_GATEWAY, "Name": each["name"], **_given(SectionName=each.get("sectionName"))}
        for each in spec.get("parentRefs") or []
    ]
    rules = [
        {
            "Matches": [_read_match(match) for match in rule.get("matches") or []],
            "Services": [{"Name": service["name"]} for service in rule.get("backendRefs") or []],
        }
        for rule in spec.get("rules") or []
    ]
    hostnames = {"Hostnames": spec["hostnames"]} if spec.get("hostnames") else {}
    return Entry(kind, name, {**hostnames, "Parents": parents, "Rules": rules})


def _listener(listener: Mapping[str, Any], placement: Placement) -> Manifest:
    tls = listener["TLS"]
    reference = {"name": placement.certificate_name}
    if placement.certificate_namespace != placement.namespace:
        reference["namespace"] = placement.certificate_namespace
    return {
        "name": listener["Name"],
        **({} if listener.get("Hostname", ANY_HOST) == ANY_HOST else {"hostname": listener["Hostname"]}),
        "port": listener["Port"],
        "protocol": "HTTPS",
        "tls": {
            "mode": "Terminate",
            "certificateRefs": [reference],
            "options": {option: tls[key] for key, option in _TLS_OPTIONS.items() if key in tls},
        },
        "allowedRoutes": {"namespaces": {"from": "Same"}},
    }


def _read_listener(listener: Manifest) -> dict[str, Any]:
    tls = listener.get("tls") or {}
    options = tls.get("options") or {}
    certificates = [
        {"Kind": Kind.FILE_SYSTEM_CERTIFICATE, "Name": each["name"]} for each in tls.get("certificateRefs") or []
    ]
    return {
        "Name": listener["name"],
        **_given(Hostname=listener.get("hostname")),
        "Port": listener["port"],
        "Protocol": "tcp" if listener["protocol"] == "TCP" else "http",
        "TLS": {
            **{key: options[option] for key, option in _TLS_OPTIONS.items() if option in options},
            **({"Certificates": certificates} if certificates else {}),
        },
    }


def _read_match(match: Manifest) -> dict[str, Any]:
    path = match.get("path", {"type": "PathPrefix", "value": "/"})
    return {
        "Path": {"Match": _KINDS_OF_MATCH[path.get("type", "PathPrefix")], "Value": path.get("value", "/")},
        **_given(Method=match.get("method")),
        **_read_named("Headers", match.get("headers")),
        **_read_named("Query", match.get("queryParams")),
    }


def _read_named(key: str, matches: list[Manifest] | None) -> dict[str, Any]:
    read = [
        {"Name": each["name"], "Match": _KINDS_OF_MATCH[each.get("type", "Exact")], "Value": each["value"]}
        for each in matches or ()
    ]
    return {key: read} if read else {}


def _given(**fields: str | None) -> dict[str, str]:
    return {key: value for key, value in fields.items() if value is not None}
