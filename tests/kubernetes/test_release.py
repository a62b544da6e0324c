"""A stack that brings Consul along as a Helm release: installed, upgraded, left alone, and last to be uninstalled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

from tests.kubernetes.chart import write_chart

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.kubernetes.stacks import ClusterStack

pytestmark = [pytest.mark.kubernetes, pytest.mark.engine]

FOREIGN = """
apiVersion: consul.hashicorp.com/v1alpha1
kind: ServiceDefaults
metadata: {name: theirs, namespace: default}
spec: {protocol: http}
"""
REFUSAL = (
    "Consul can't be removed while these are there, which are not this stack's: "
    "servicedefaults.consul.hashicorp.com/theirs -n default; nothing was deleted; delete them first: kubectl delete "
    "servicedefaults.consul.hashicorp.com/theirs -n default --context admin"
)
SHOP = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: shop, namespace: default}
spec:
  gatewayClassName: theirs
  listeners: [{name: http, port: 80, protocol: HTTP}]
"""
CUSTOM = ("serviceintentions", "servicedefaults", "proxydefaults", "meshes", "gateways", "httproutes")
OF_THE_CHART = {("configmaps", "consul-settings"), ("serviceaccounts", "consul-controller")}


@pytest.fixture(scope="module")
def before(releasing_stack: ClusterStack) -> int:
    """How many events there were before the first `up`."""
    return releasing_stack.audited()


@pytest.fixture(scope="module")
def stack(releasing_stack: ClusterStack, before: int, tmp_path_factory: pytest.TempPathFactory) -> ClusterStack:  # noqa: ARG001 - counted first
    chart = write_chart(tmp_path_factory.mktemp("chart"))
    releasing_stack.configure(consulChart=str(chart), consulChartVersion="2.0.3")
    releasing_stack.posture("up", "layered-allow")
    return releasing_stack


@pytest.fixture
def foreign(stack: ClusterStack) -> Iterator[None]:
    """Somebody else has a custom resource that Consul's controller would have to let go."""
    stack.control_plane.kubectl("apply", "--filename=-", given=FOREIGN)
    yield
    stack.control_plane.kubectl("delete", "--filename=-", "--ignore-not-found", given=FOREIGN)


@pytest.fixture
def shop(stack: ClusterStack) -> Iterator[None]:
    """Somebody else has a gateway, by definitions that the release has brought."""
    kubectl, definition = stack.control_plane.kubectl, "crd/gateways.gateway.networking.k8s.io"
    kubectl("annotate", definition, "meta.helm.sh/release-name=consul")
    kubectl("apply", "--filename=-", given=SHOP)
    yield
    kubectl("delete", "--filename=-", given=SHOP)
    kubectl("annotate", definition, "meta.helm.sh/release-name-")


def found(stack: ClusterStack, kind: str, name: str) -> dict[str, object]:
    text = stack.control_plane.kubectl("get", kind, name, "--namespace=consul", "-o", "yaml")
    return dict(yaml.safe_load(text))


def revisions(stack: ClusterStack) -> list[str]:
    names = stack.control_plane.kubectl(
        "get", "secrets", "--namespace=consul", "--selector=owner=helm", "--output=jsonpath={.items[*].metadata.name}"
    )
    return names.split()


def test_the_chart_is_installed_into_a_namespace_of_the_stack_before_custom_resources(
    stack: ClusterStack, before: int
) -> None:
    assert found(stack, "configmap", "consul-settings")["data"] == {"datacenter": "dc1"}
    assert revisions(stack) == ["sh.helm.release.v1.consul.v1"]
    created = [write for write in stack.writes(before) if write.verb == "create"]
    order = [(write.resource, write.name) for write in created]
    release = order.index(("serviceaccounts", "consul-controller"))
    assert order.index(("namespaces", "consul")) < release
    assert release < min(place for place, (resource, _) in enumerate(order) if resource in CUSTOM)


def test_a_second_up_and_a_refresh_change_nothing(stack: ClusterStack) -> None:
    assert stack.changes() == {}
    stack.pulumi("refresh", "--yes", "--skip-preview")
    assert stack.last_update() == {}


def test_a_changed_value_upgrades_in_place_and_a_switch_leaves_the_release_alone(stack: ClusterStack) -> None:
    stack.pulumi("config", "set", "--path", "consul-posture:consulValues.global.datacenter", "dc2")
    since = stack.audited()
    stack.pulumi("up", "--yes", "--skip-preview")
    assert stack.last_update() == {"update": 1}
    assert not [write for write in stack.writes(since) if write.verb == "delete"]
    assert found(stack, "configmap", "consul-settings")["data"] == {"datacenter": "dc2"}
    upgraded = revisions(stack)
    assert upgraded == ["sh.helm.release.v1.consul.v1", "sh.helm.release.v1.consul.v2"]
    stack.move("deny-all")
    assert stack.last_update().keys() == {"update"}
    assert revisions(stack) == upgraded


def test_a_consul_that_the_stack_has_brought_is_not_removed_from_under_the_mesh(stack: ClusterStack) -> None:
    file = stack.project.folder / f"Pulumi.{stack.name}.yaml"
    before, since = file.read_text(), stack.audited()
    stack.pulumi("config", "set", "consul-posture:consulChart", "existing")
    done = stack.posture("up", check=2)
    said = stack.pulumi("preview", check=None)
    file.write_text(before)
    assert "error: Consul and its namespace consul are this stack's own" in done.stderr
    assert "Consul and its namespace consul are this stack's own" in said
    assert list(stack.writes(since)) == []


@pytest.mark.usefixtures("foreign")
def test_down_stops_before_somebody_elses_custom_resource_and_names_it(stack: ClusterStack) -> None:
    since = stack.audited()
    done = stack.posture("down", check=2)
    assert f"error: {REFUSAL}\n" in done.stderr
    assert list(stack.writes(since)) == []


@pytest.mark.usefixtures("shop")
def test_down_stops_before_somebody_elses_gateway_would_go_with_its_definition(stack: ClusterStack) -> None:
    since = stack.audited()
    done = stack.posture("down", check=2)
    assert "not this stack's: gateways.gateway.networking.k8s.io/shop -n default; nothing was deleted" in done.stderr
    assert list(stack.writes(since)) == []


@pytest.mark.usefixtures("foreign")
def test_plain_destroy_stops_too(stack: ClusterStack) -> None:
    since = stack.audited()
    assert "--run-program" in stack.pulumi("destroy", "--yes", "--skip-preview", check=None)
    said = stack.pulumi("destroy", "--yes", "--skip-preview", "--run-program", check=None)
    assert REFUSAL in said
    assert "Traceback" not in said
    assert list(stack.writes(since)) == []


def test_down_deletes_custom_resources_then_the_release_then_namespaces(stack: ClusterStack) -> None:
    since = stack.audited()
    stack.posture("down")
    deleted = [write for write in stack.writes(since) if write.verb == "delete"]
    order = [(write.resource, write.name) for write in deleted]
    assert order[0][0] == "httproutes"
    places = [place for place, each in enumerate(order) if each in OF_THE_CHART]
    assert len(places) == len(OF_THE_CHART)
    custom = [place for place, (resource, _) in enumerate(order) if resource in CUSTOM]
    assert max(custom) < min(places)
    assert set(order[-2:]) == {("namespaces", "consul"), ("namespaces", "bookinfo")}
    assert max(places) < len(order) - 2
    kinds = ",".join(("namespaces", "deployments", "services", "serviceaccounts", "referencegrants", *CUSTOM))
    mine = f"app.kubernetes.io/instance={stack.name}"
    assert stack.control_plane.kubectl("get", kinds, "--all-namespaces", "--selector", mine, "-o", "name") == ""
    assert "NotFound" in stack.control_plane.kubectl("get", "namespace", "consul", check=False)
    assert not (stack.project.folder / ".posture" / stack.name).exists()
