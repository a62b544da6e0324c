"""What of a cluster's objects is in the way of a stack, by what its API server says."""

from __future__ import annotations

import base64
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from posture.cluster.checks import Plan, check_cluster
from posture.cluster.connection import ApiResource, Connection
from posture.errors import InputError
from posture.local.certificate import ensure_certificate
from posture.model.manifests.inventory import inventory
from posture.model.settings import settings_from

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[2]
ROUTES = "/apis/gateway.networking.k8s.io/v1/httproutes"
CLASS = "/apis/gateway.networking.k8s.io/v1/gatewayclasses/consul"
CONSUL_K8S = "consul.hashicorp.com/gateway-controller"
CLUSTER_WIDE = {"Namespace", "ClusterRole"}


class Cluster(Connection):
    """Knows every kind, allows everything, and has what it is given by path."""

    context = "c"

    def __init__(self, plan: Plan, held: Mapping[str, dict[str, Any]]) -> None:
        self.held = {"/version": {"major": "1", "minor": "36"}, CLASS: {}, **held}
        kinds = {(each["apiVersion"], each["kind"]) for each in plan.inventory}
        self.resources = cache(
            lambda api_version: tuple(
                ApiResource(api_version, kind, f"{kind.lower()}s", kind not in CLUSTER_WIDE)
                for version, kind in kinds
                if version == api_version
            )
        )

    def get(self, path: str, **_query: str) -> dict[str, Any] | None:
        return self.held.get(path)

    def create(self, path: str, body: Mapping[str, Any], **_query: str) -> dict[str, Any]:
        assert path.endswith("/selfsubjectaccessreviews")
        return {**body, "status": {"allowed": True}}


@pytest.fixture(scope="module")
def secret(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("certificate")
    ensure_certificate(folder / "tls.crt", folder / "tls.key")
    return {"data": {each.name: base64.b64encode(each.read_bytes()).decode() for each in folder.iterdir()}}


def check(secret: dict[str, Any], held: Mapping[str, dict[str, Any]], **settings: str) -> None:
    values = {"target": "kubernetes", "kubeContext": "c", "consulChart": "existing", "gatewaySecret": "web/page-tls"}
    found = settings_from("prod", {**values, **settings})
    application, posture = found.load(ROOT)
    plan = Plan.of(inventory(application, posture, found, "prod"), application, found)
    there = {"/api/v1/namespaces/web/secrets/page-tls": secret, "/api/v1/namespaces/consul": namespace("consul")}
    check_cluster(Cluster(plan, {**there, **held}), plan)


def namespace(name: str, stack: str | None = None) -> dict[str, Any]:
    marks = {"app.kubernetes.io/managed-by": "consul-posture", "app.kubernetes.io/instance": stack}
    return {"metadata": {"name": name, "labels": marks if stack else {}}, "status": {"phase": "Active"}}


def routes(*controllers: str, name: str = "bookinfo") -> dict[str, dict[str, Any]]:
    parents = [{"parentRef": {"name": "shop"}, "controllerName": each} for each in controllers]
    status = {"status": {"parents": parents}} if parents else {}
    metadata = {"name": name, "namespace": "web", "managedFields": [{"manager": "helm"}]}
    return {ROUTES: {"items": [{"metadata": metadata, "spec": {}, **status}]}}


def test_a_route_of_another_namespace_that_consul_has_taken_up_is_the_same_to_it(secret: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"httproutes/bookinfo -n web is not this stack's but helm's; delete it there"):
        check(secret, routes("example.com/theirs", CONSUL_K8S))


@pytest.mark.parametrize("theirs", [routes(), routes("example.com/theirs"), routes(CONSUL_K8S, name="shop")])
def test_a_route_of_another_controller_or_name_is_in_nobodys_way(
    secret: dict[str, Any], theirs: dict[str, dict[str, Any]]
) -> None:
    check(secret, theirs)


def test_a_consul_that_the_stack_has_brought_is_not_removed_from_under_the_mesh(secret: dict[str, Any]) -> None:
    own = {"/api/v1/namespaces/consul": namespace("consul", "prod")}
    with pytest.raises(InputError, match=r"Consul and its namespace consul .* remove both .*; set consulChart back"):
        check(secret, own)
    check(secret, own, consulChart="official")


def test_a_namespace_that_consul_shares_with_the_application_or_that_is_anothers_stays(secret: dict[str, Any]) -> None:
    check(secret, {"/api/v1/namespaces/consul": namespace("consul", "prod")}, namespace="consul")
    check(secret, {"/api/v1/namespaces/consul": namespace("consul", "staging")})
