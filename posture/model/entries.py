"""Compiles an application and a posture to Consul config entries, in Consul's own words (the HTTP API's PascalCase).

The hub: programs apply these entries, the access model judges them. Each destination has one `service-intentions`
entry in every posture, never more and never none, so that switching a posture edits sources in place. Fields that
Consul fills in by itself are written out, because Pulumi's ConfigEntry would otherwise see them as drift.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from posture.model.entry import FILLED_IN, OTHER_KINDS, Entry, Kind, precedence
from posture.model.limit_fields import DEFAULT_PROXIES, limit_fields
from posture.model.limits import in_force
from posture.model.posture import PATH_KINDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from posture.model.application import Application, Gateway
    from posture.model.entry import Body
    from posture.model.limit_fields import Proxies
    from posture.model.posture import Permission, Posture

__all__ = ["FILLED_IN", "OTHER_KINDS", "Entry", "Kind", "compile_entries", "precedence"]


def compile_entries(
    application: Application, posture: Posture, proxies: Proxies = DEFAULT_PROXIES
) -> tuple[Entry, ...]:
    """The entries that make a mesh enforce a posture; each stands after those that it relies on."""
    limits = in_force(posture.limits)
    permissions: dict[str, dict[str, list[Body]]] = {}
    for grant in posture.grants:
        by_source = permissions.setdefault(grant.destination, {})
        by_source.setdefault(grant.source, []).extend(map(_permission, grant.permissions or ()))
    gateway = application.gateway.name
    return (
        Entry(Kind.PROXY_DEFAULTS, "global", {**FILLED_IN[Kind.PROXY_DEFAULTS], "MutualTLSMode": "strict"}),
        Entry(Kind.MESH, "mesh", _mesh(posture)),
        *(
            Entry(
                Kind.SERVICE_DEFAULTS,
                name,
                {
                    **FILLED_IN[Kind.SERVICE_DEFAULTS],
                    "Protocol": service.protocol,
                    **limit_fields(name, limits.get(name), proxies),
                },
            )
            for name, service in application.services.items()
        ),
        Entry(
            Kind.SERVICE_DEFAULTS,
            gateway,
            {
                **FILLED_IN[Kind.SERVICE_DEFAULTS],
                "Protocol": "http",
                **limit_fields(gateway, limits.get(gateway), proxies, gateway=True),
            },
        ),
        Entry(Kind.SERVICE_INTENTIONS, "*", {"Sources": [_source("*", "*", action="deny")]}),
        *(
            Entry(Kind.SERVICE_INTENTIONS, name, {"Sources": _sources(permissions.get(name, {}), name)})
            for name in application.services
        ),
        *_gateway(application.name, application.gateway, posture),
    )


def _mesh(posture: Posture) -> Body:
    floor = {"TLSMinVersion": posture.mesh.tls_min_version}
    # Envoy's clients speak TLS 1.2 at most if nothing is said (its `TlsParameters`), and so nothing at a higher floor.
    outgoing = {**floor, "TLSMaxVersion": "TLSv1_3"}
    return {
        "AllowEnablingPermissiveMutualTLS": False,
        "TLS": {"Incoming": floor, "Outgoing": outgoing},
        "HTTP": {
            "SanitizeXForwardedClientCert": True,
            "Incoming": {
                "RequestNormalization": {
                    "InsecureDisablePathNormalization": False,
                    "MergeSlashes": True,
                    "PathWithEscapedSlashesAction": "REJECT_REQUEST",
                    "HeadersWithUnderscoresAction": "REJECT_REQUEST",
                }
            },
        },
    }


def _sources(permissions: Mapping[str, list[Body]], destination: str) -> list[Body]:
    """Who may call a destination, each source by its permissions, and nobody else; in the order that Consul keeps."""
    named = [
        _source(name, destination, permissions=allowed) if allowed else _source(name, destination, action="allow")
        for name, allowed in sorted(permissions.items())
    ]
    return [*named, _source("*", destination, action="deny")]


def _source(name: str, destination: str, **rule: object) -> Body:
    return {
        "Name": name,
        "Type": "consul",
        "Precedence": precedence(name, destination),
        **{key.capitalize(): value for key, value in rule.items()},
    }


def _permission(permission: Permission) -> Body:
    path = {_pascal(kind): getattr(permission, kind) for kind in PATH_KINDS if getattr(permission, kind) is not None}
    headers = [
        {_pascal(key): value for key, value in header.model_dump(exclude_defaults=True).items()}
        for header in permission.header or ()
    ]
    return {
        "Action": "allow",
        "HTTP": {
            **path,
            **({"Header": headers} if headers else {}),
            **({"Methods": list(permission.methods)} if permission.methods else {}),
        },
    }


def _gateway(application: str, gateway: Gateway, posture: Posture) -> tuple[Entry, ...]:
    certificate = {"Kind": Kind.FILE_SYSTEM_CERTIFICATE, "Name": gateway.name}
    listener = {
        "Name": "https",
        "Hostname": gateway.hostname,
        "Port": gateway.port,
        "Protocol": "http",
        "TLS": {"MinVersion": posture.mesh.tls_min_version, "Certificates": [certificate]},
    }
    rules = [
        {
            "Matches": [
                {"Path": {"Match": "exact" if route.exact else "prefix", "Value": route.path}}
                for route in gateway.routes
                if route.to == service
            ],
            "Services": [{"Name": service}],
        }
        for service in dict.fromkeys(route.to for route in gateway.routes)
    ]
    return (
        Entry(
            Kind.FILE_SYSTEM_CERTIFICATE,
            gateway.name,
            {"Certificate": gateway.certificate, "PrivateKey": gateway.private_key},
        ),
        Entry(
            Kind.HTTP_ROUTE,
            application,
            {
                # Consul refuses a wildcard here; a route without a hostname has its listener's.
                **({} if "*" in gateway.hostname else {"Hostnames": [gateway.hostname]}),
                "Parents": [{"Kind": Kind.API_GATEWAY, "Name": gateway.name, "SectionName": "https"}],
                "Rules": rules,
            },
        ),
        Entry(Kind.API_GATEWAY, gateway.name, {"Listeners": [listener]}),
    )


def _pascal(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))
