"""What keeps a stack from being put into a cluster is one line, exit 2, and nothing is written."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.kubernetes.control_plane import ControlPlane

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.kubernetes.stacks import ClusterStack

pytestmark = [pytest.mark.kubernetes, pytest.mark.engine]

INTENTIONS = """
apiVersion: consul.hashicorp.com/v1alpha1
kind: ServiceIntentions
metadata: {name: theirs, namespace: default}
spec: {destination: {name: details}, sources: [{name: "*", action: allow}]}
"""

GATEWAY = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gateway, namespace: default}
spec: {gatewayClassName: consul, listeners: [{name: theirs, port: 80, protocol: HTTP}]}
"""
ROUTE = """
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: bookinfo, namespace: default}
spec: {parentRefs: [{name: theirs}]}
"""
MOVED = """
apiVersion: consul.hashicorp.com/v1alpha1
kind: ServiceDefaults
metadata:
  name: details
  namespace: default
  labels: {app.kubernetes.io/managed-by: consul-posture, app.kubernetes.io/instance: STACK}
spec: {protocol: http}
"""


def refused(stack: ClusterStack, **settings: object) -> str:
    """What `posture up` says when it refuses; it must be one line, and the cluster as it was."""
    stack.configure(**settings)
    since = stack.audited()
    done = stack.posture("up", check=2)
    assert list(stack.writes(since)) == []
    [line] = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert "Traceback" not in done.stderr
    return line.removeprefix("error: ")


def test_an_unknown_context_is_named_with_the_nearest(cluster_stack: ClusterStack) -> None:
    assert "no context 'admn'" in (said := refused(cluster_stack, kubeContext="admn"))
    assert "did you mean 'admin'?" in said


def test_the_current_context_is_never_taken_for_one_that_is_not_named(cluster_stack: ClusterStack) -> None:
    assert "'kubeContext' is missing" in refused(cluster_stack, kubeContext=None)


def test_a_kubeconfig_that_is_not_there_is_named(cluster_stack: ClusterStack) -> None:
    assert "there is no kubeconfig at /nowhere/config" in refused(cluster_stack, kubeconfig="/nowhere/config")


def test_an_unreachable_server_is_said_with_its_address(cluster_stack: ClusterStack, tmp_path: Path) -> None:
    text = cluster_stack.control_plane.kubeconfig.read_text()
    dead = tmp_path / "kubeconfig"
    dead.write_text(text.replace(cluster_stack.control_plane.server, "https://127.0.0.1:1"))
    said = refused(cluster_stack, kubeconfig=str(dead))
    assert "does not answer at https://127.0.0.1:1" in said
    assert "Connection refused" in said


def test_a_missing_permission_is_said_by_verb_and_resource(cluster_stack: ClusterStack) -> None:
    said = refused(cluster_stack, kubeContext=cluster_stack.control_plane.restricted_context)
    assert "context 'restricted' has no permission to get namespaces" in said


def test_an_object_of_somebody_else_is_said_with_its_owner(cluster_stack: ClusterStack) -> None:
    cluster_stack.control_plane.kubectl("apply", "--filename=-", given=INTENTIONS)
    said = refused(cluster_stack)
    cluster_stack.control_plane.kubectl("delete", "--filename=-", given=INTENTIONS)
    assert "serviceintentions/theirs -n default is not this stack's but kubectl-client-side-apply's" in said
    assert "hand it over: kubectl label --overwrite serviceintentions/theirs -n default" in said


def test_a_gateway_of_somebody_elses_namespace_is_the_same_to_consul(cluster_stack: ClusterStack) -> None:
    cluster_stack.control_plane.kubectl("apply", "--filename=-", given=GATEWAY)
    said = refused(cluster_stack)
    cluster_stack.control_plane.kubectl("delete", "--filename=-", given=GATEWAY)
    assert "gateways/gateway -n default is not this stack's" in said


def test_a_route_of_somebody_elses_namespace_is_the_same_to_consul(cluster_stack: ClusterStack) -> None:
    kubectl = cluster_stack.control_plane.kubectl
    kubectl("apply", "--filename=-", given=ROUTE)
    taken_up = "jsonpath={.status.parents[0].controllerName}=consul.hashicorp.com/gateway-controller"
    kubectl("wait", "httproute/bookinfo", "--namespace=default", f"--for={taken_up}", "--timeout=30s")
    said = refused(cluster_stack)
    kubectl("delete", "--filename=-", given=ROUTE)
    assert "httproutes/bookinfo -n default is not this stack's" in said


def test_an_application_that_is_in_another_namespace_is_ended_there_first(cluster_stack: ClusterStack) -> None:
    own = MOVED.replace("STACK", cluster_stack.name)
    cluster_stack.control_plane.kubectl("apply", "--filename=-", given=own)
    said = refused(cluster_stack)
    cluster_stack.control_plane.kubectl("delete", "--filename=-", given=own)
    assert f"stack '{cluster_stack.name}' has servicedefaults/details in namespace default" in said


def test_a_namespace_of_another_stack_is_left_alone(cluster_stack: ClusterStack) -> None:
    kubectl = cluster_stack.control_plane.kubectl
    kubectl("create", "namespace", "taken")
    kubectl(
        *("label", "namespace", "taken", "app.kubernetes.io/managed-by=consul-posture"),
        "app.kubernetes.io/instance=staging",
    )
    said = refused(cluster_stack, namespace="taken")
    kubectl("delete", "namespace", "taken", "--wait=false")
    assert "namespaces/taken is not this stack's but stack staging's" in said


def test_a_namespace_that_is_going_is_waited_for_by_the_user(cluster_stack: ClusterStack) -> None:
    kubectl = cluster_stack.control_plane.kubectl
    kubectl("create", "namespace", "going")
    held = '[{"op": "add", "path": "/metadata/finalizers", "value": ["test/held"]}]'
    kubectl("create", "configmap", "holds-it", "--namespace=going")
    kubectl("patch", "configmap", "holds-it", "--namespace=going", "--type=json", f"--patch={held}")
    kubectl("delete", "namespace", "going", "--wait=false")
    said = refused(cluster_stack, namespace="going")
    freed = '[{"op": "remove", "path": "/metadata/finalizers"}]'
    kubectl("patch", "configmap", "holds-it", "--namespace=going", "--type=json", f"--patch={freed}")
    assert "namespace going is still being deleted; wait until it is gone: kubectl wait" in said


def test_a_secret_that_is_not_there_is_named(cluster_stack: ClusterStack) -> None:
    assert "there is no Secret certificates/none" in refused(cluster_stack, gatewaySecret="certificates/none")


def test_a_secret_without_a_certificate_is_named(cluster_stack: ClusterStack) -> None:
    kubectl = cluster_stack.control_plane.kubectl
    kubectl("create", "secret", "generic", "empty", "--from-literal=a=b", "--namespace=certificates")
    said = refused(cluster_stack, gatewaySecret="certificates/empty")
    assert "Secret certificates/empty has no tls.crt and tls.key" in said


def test_a_certificate_for_another_name_is_said_with_both(cluster_stack: ClusterStack) -> None:
    said = refused(cluster_stack, gatewayHostname="shop.example.com")
    assert "the certificate in Secret certificates/page-tls is for localhost, not for shop.example.com" in said


def test_a_secret_of_the_gateways_own_name_is_refused(cluster_stack: ClusterStack) -> None:
    assert "consul-k8s keeps a Secret of its own by that name" in refused(cluster_stack, gatewaySecret="gateway")


def test_an_unknown_chart_version_is_refused(cluster_stack: ClusterStack) -> None:
    assert "consulChartVersion '1.2.3' is not known" in refused(cluster_stack, consulChartVersion="1.2.3")


@pytest.mark.parametrize("image", ["mirror.test/details", "Mirror/Details:1", "mirror.test/details:latest"])
def test_an_image_that_is_none_or_moves_is_refused(cluster_stack: ClusterStack, image: str) -> None:
    said = refused(cluster_stack, images={"details": image})
    assert image in said
    assert f"Pulumi.{cluster_stack.name}.yaml:" in said


def test_an_image_for_nobody_is_refused(cluster_stack: ClusterStack) -> None:
    said = refused(cluster_stack, images={"detials": "mirror.test/details:1"})
    assert "'images' names nobody called 'detials'; did you mean 'details'?" in said


def test_a_consul_that_is_not_there_is_missed(cluster_stack: ClusterStack) -> None:
    assert "there is no namespace mesh-system" in refused(cluster_stack, consulNamespace="mesh-system")


def test_a_preview_without_a_cluster_shows_creates_and_says_so(cluster_stack: ClusterStack, tmp_path: Path) -> None:
    text = cluster_stack.control_plane.kubeconfig.read_text()
    dead = tmp_path / "kubeconfig"
    dead.write_text(text.replace(cluster_stack.control_plane.server, "https://127.0.0.1:1"))
    cluster_stack.configure(kubeconfig=str(dead))
    said = json.loads(cluster_stack.pulumi("preview", "--json"))
    assert said["changeSummary"].keys() == {"create"}
    assert "previewed without a look into the cluster" in json.dumps(said["diagnostics"])


@pytest.fixture(scope="module")
def bare(kubernetes_programs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A cluster that knows nothing of Consul."""
    with ControlPlane(tmp_path_factory.mktemp("bare"), kubernetes_programs) as started:
        yield started


def test_kinds_that_the_cluster_does_not_know_are_named(cluster_stack: ClusterStack, bare: ControlPlane) -> None:
    said = refused(cluster_stack, kubeconfig=str(bare.kubeconfig))
    assert "the cluster knows no ProxyDefaults of consul.hashicorp.com/v1alpha1; install Consul with its CRDs" in said
