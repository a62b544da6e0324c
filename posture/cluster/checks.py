"""What is looked at in a cluster before a stack is put into it, so that nothing is ever half-applied."""

from __future__ import annotations

import base64
import binascii
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from posture.cluster.certificates import trouble_with
from posture.cluster.connection import ApiResource
from posture.cluster.owners import owner_of
from posture.errors import InputError
from posture.model.manifests.custom_resources import API_VERSION, KINDS
from posture.model.manifests.gateway_api import CONTROLLER, GATEWAY_CLASS
from posture.model.manifests.gateway_api import KINDS as ENTRANCE
from posture.model.manifests.placement import MANAGED_BY

if TYPE_CHECKING:
    from collections.abc import Iterable

    from posture.cluster.connection import Connection
    from posture.model.application import Application
    from posture.model.cluster import ClusterSettings
    from posture.model.manifests.inventory import Inventory
    from posture.model.manifests.placement import Manifest

__all__ = ["Plan", "check_cluster"]

_OLDEST = (1, 25)
"""Pod security levels are enforced from then on."""

_GATEWAY, _ROUTE = "Gateway", "HTTPRoute"
_VERBS = ("get", "create", "patch", "delete")
_TO_ASK = (
    *(("get", "pods"), ("create", "pods"), ("delete", "pods"), ("patch", "pods/ephemeralcontainers")),
    *(("get", "pods/exec"), ("create", "pods/exec")),  # which of them depends on Kubernetes' version
)
"""What `ClusterTarget` does to the application's pods, beside service accounts."""


@dataclass(frozen=True)
class Plan:
    """What is to be put into a cluster.

    Args:
        inventory: The objects.
        gateway: The gateway's name.
        hostname: Its hostname.
        certificate: Its certificate in PEM; empty where a Secret has it.
        consul_is_ours: Whether the stack brings Consul along, and with it the kinds that it defines.
        asks: Whether the mesh is asked from inside of pods afterwards.
    """

    inventory: Inventory
    gateway: str
    hostname: str
    certificate: str
    consul_is_ours: bool
    asks: bool

    @classmethod
    def of(cls, inventory: Inventory, application: Application, settings: ClusterSettings) -> Plan:
        """What a stack's settings plan."""
        name, hostname = application.gateway.name, application.gateway.hostname
        ours, asks = settings.consul_is_ours, bool(settings.probe_image)
        return cls(inventory, name, hostname, settings.gateway_certificate, ours, asks)


def check_cluster(connection: Connection, plan: Plan) -> list[dict[str, Any]]:
    """Look at everything that would make an `up` fail half-way.

    Returns Consul's custom resources that are there, and the gateway and its routes.

    Raises:
        InputError: The first thing that is in the way, and what to do.
        UnreachableError: The cluster does not answer.
    """
    if plan.certificate and (trouble := trouble_with(plan.certificate, plan.hostname)):
        raise InputError(f"'gatewayCertificate' {trouble}; set another one")
    version = connection.version()
    if version < _OLDEST:
        words = ".".join(map(str, version))
        raise InputError(f"the cluster runs Kubernetes {words}; {'.'.join(map(str, _OLDEST))} or newer is needed")
    resources = _resources(connection, plan)
    _check_permissions(connection, plan, resources)
    _check_namespaces(connection, plan)
    there = {kind: _objects(connection, plan.inventory, resource) for kind, resource in resources.items()}
    _check_owners(plan.inventory, resources, there)
    if not plan.certificate:
        _check_secret(connection, plan)
    planned = {_key(each) for each in plan.inventory.gateway}
    return [
        {"kind": kind, **each}
        for (version, kind), found in there.items()
        for each in found
        if version == API_VERSION or (kind in ENTRANCE and _key(each) in planned)
    ]


def _resources(connection: Connection, plan: Plan) -> dict[tuple[str, str], ApiResource]:
    """The kinds of all objects, those that Consul's chart would bring left out."""
    found = {}
    for api_version, kind in {(each["apiVersion"], each["kind"]): None for each in plan.inventory}:
        resource = connection.resource(api_version, kind)
        if resource:
            found[api_version, kind] = resource
        elif not plan.consul_is_ours:
            raise InputError(
                f"the cluster knows no {kind} of {api_version}; install Consul with its CRDs, check "
                "consulChartVersion, or let this stack install it: pulumi config set consulChart official"
            )
    return found


def _check_permissions(connection: Connection, plan: Plan, resources: dict[tuple[str, str], ApiResource]) -> None:
    questions = {
        (verb, resources[kind], each["metadata"].get("namespace", ""))
        for each in plan.inventory
        if (kind := (each["apiVersion"], each["kind"])) in resources
        for verb in _VERBS
    }
    if plan.asks:
        own = plan.inventory.placement.namespace
        questions |= {(verb, ApiResource("v1", "Pod", name, namespaced=True), own) for verb, name in _TO_ASK}
    ordered = sorted(questions, key=lambda question: (question[2], question[1].name, _VERBS.index(question[0])))
    with ThreadPoolExecutor(max_workers=8) as pool:
        answers = list(pool.map(lambda question: _may(connection, *question), ordered))
    refused = [question for question, allowed in zip(ordered, answers, strict=True) if not allowed]
    if refused:
        verb, resource, namespace = refused[0]
        where = f" in namespace {namespace}" if namespace else ""
        name = f"{resource.name}.{resource.group}".rstrip(".")
        more = f" (and {len(refused) - 1} more)" if len(refused) > 1 else ""
        raise InputError(
            f"context '{connection.context}' has no permission to {verb} {name}{where}{more}; "
            "ask the cluster's administrator for it"
        )


def _may(connection: Connection, verb: str, resource: ApiResource, namespace: str) -> bool:
    name, _, subresource = resource.name.partition("/")
    about = {"resource": name, "subresource": subresource, "group": resource.group}
    attributes = {"verb": verb, "namespace": namespace, **about}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    answer = connection.create("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review)
    return bool(answer["status"]["allowed"])


def _check_namespaces(connection: Connection, plan: Plan) -> None:
    placement = plan.inventory.placement
    for name in dict.fromkeys((placement.consul_namespace, placement.namespace)):
        found = connection.get(f"/api/v1/namespaces/{name}")
        if found and found["status"].get("phase") == "Terminating":
            raise InputError(
                f"namespace {name} is still being deleted; wait until it is gone: kubectl wait "
                f"--for=delete namespace/{name} --context {connection.context}"
            )
        if found is None and name == placement.consul_namespace and not plan.consul_is_ours:
            raise InputError(f"there is no namespace {name}; set 'consulNamespace' to the one where Consul is")
        if found and name != placement.namespace and not plan.consul_is_ours and not owner_of(found, placement.stack):
            raise InputError(
                f"Consul and its namespace {name} are this stack's own, and an up with consulChart 'existing' would "
                "remove both from under the mesh; set consulChart back to what it was, and to use another Consul, end "
                "the stack so first: posture down"
            )
    if not plan.consul_is_ours:
        classes = f"/apis/gateway.networking.k8s.io/{placement.gateway_api}/gatewayclasses/{GATEWAY_CLASS}"
        if connection.get(classes) is None:
            raise InputError(f"there is no GatewayClass {GATEWAY_CLASS}; enable connectInject in Consul's chart")


def _check_owners(
    inventory: Inventory,
    resources: dict[tuple[str, str], ApiResource],
    there: dict[tuple[str, str], list[dict[str, Any]]],
) -> None:
    stack = inventory.placement.stack
    for kind, resource in resources.items():
        ours = _of_kind(inventory, resource)
        names = {_key(each) for each in ours}
        for found in there[kind]:
            elsewhere = _key(found) not in names
            if elsewhere and not _same_in_consul(found, resource, ours):
                continue
            owner = owner_of(found, stack)
            metadata = found["metadata"]
            if elsewhere and not owner:
                raise InputError(
                    f"stack '{stack}' has {resource.name}/{metadata['name']} in namespace {metadata['namespace']}, and "
                    "Consul takes one in another for the same; end the stack there before it moves: posture down"
                )
            if owner:
                name = f"{resource.name}/{metadata['name']}"
                where = f" -n {metadata['namespace']}" if resource.namespaced else ""
                raise InputError(
                    f"{name}{where} is not this stack's but {owner}'s; delete it there, or hand it over: kubectl label "
                    f"--overwrite {name}{where} app.kubernetes.io/managed-by={MANAGED_BY} "
                    f"app.kubernetes.io/instance={stack}, then an up with PULUMI_K8S_UPSERT_EXISTING_OBJECTS=true"
                )


def _objects(connection: Connection, inventory: Inventory, resource: ApiResource) -> list[dict[str, Any]]:
    """The objects of a kind wherever one could be in the way of ours."""
    everywhere = resource.api_version == API_VERSION or resource.kind in ENTRANCE or not resource.namespaced
    ours = _of_kind(inventory, resource)
    namespaces = [""] if everywhere else sorted({each["metadata"]["namespace"] for each in ours})
    lists = [connection.get(resource.path(namespace)) or {} for namespace in namespaces]
    return [each for found in lists for each in found.get("items", ())]


def _of_kind(inventory: Inventory, resource: ApiResource) -> list[Manifest]:
    return [each for each in inventory if (each["apiVersion"], each["kind"]) == (resource.api_version, resource.kind)]


def _same_in_consul(found: Manifest, resource: ApiResource, ours: Iterable[Manifest]) -> bool:
    """Whether Consul would take two objects for one entry: names count across namespaces, and intentions' by theirs."""
    if not _is_in_consul(found, resource):
        return False
    if resource.kind == KINDS["service-intentions"]:  # type: ignore[index]  # a StrEnum's value
        return any(_destination(found) == _destination(each) for each in ours)
    return any(found["metadata"]["name"] == each["metadata"]["name"] for each in ours)


def _is_in_consul(found: Manifest, resource: ApiResource) -> bool:
    """Whether an object becomes an entry: a gateway of Consul's class, a route that its controller has taken up."""
    if resource.kind == _GATEWAY:
        return bool(found["spec"].get("gatewayClassName") == GATEWAY_CLASS)
    if resource.kind == _ROUTE:
        parents = (found.get("status") or {}).get("parents") or ()
        return any(each.get("controllerName") == CONTROLLER for each in parents)
    return resource.api_version == API_VERSION and resource.kind in KINDS.values()


def _destination(intentions: Manifest) -> tuple[str, str]:
    """Name and Consul namespace, which the webhook fills in where Consul has namespaces."""
    destination = intentions["spec"].get("destination") or {}
    return destination.get("name", ""), destination.get("namespace") or "default"


def _key(manifest: Manifest) -> tuple[str, str]:
    return manifest["metadata"].get("namespace", ""), manifest["metadata"]["name"]


def _check_secret(connection: Connection, plan: Plan) -> None:
    placement = plan.inventory.placement
    name = f"{placement.certificate_namespace}/{placement.certificate_name}"
    if name == f"{placement.namespace}/{plan.gateway}":
        raise InputError(
            f"'gatewaySecret' can't be {name}: consul-k8s keeps a Secret of its own by that name; rename it"
        )
    secret = connection.get(
        f"/api/v1/namespaces/{placement.certificate_namespace}/secrets/{placement.certificate_name}"
    )
    if secret is None:
        raise InputError(f"there is no Secret {name}; create it with the gateway's certificate, or set 'gatewaySecret'")
    data = secret.get("data") or {}
    if "tls.crt" not in data or "tls.key" not in data:
        raise InputError(f"Secret {name} has no tls.crt and tls.key; make it with: kubectl create secret tls")
    try:
        certificate = base64.b64decode(data["tls.crt"]).decode()
    except (binascii.Error, UnicodeDecodeError):
        certificate = ""
    if trouble := trouble_with(certificate, plan.hostname):
        raise InputError(f"the certificate in Secret {name} {trouble}; renew it, or set 'gatewayHostname'")
