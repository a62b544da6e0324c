"""The containers that ask, on a real API server: admitted where the pod security level is `restricted`, and gone again.

There is no kubelet, so no container runs and no command can be run in one: a pod's status is written here. What
happens within pods was tried by hand on a real cluster; see docs/kubernetes.md.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from posture.cluster.connection import Connection, connect
from posture.cluster.outsider import make_outsider, remove_outsider
from posture.cluster.pods import Pod, run
from posture.cluster.probes import SECURITY, ensure_probe
from posture.errors import InputError
from posture.model.manifests.placement import Placement
from tests.conftest import eventually

if TYPE_CHECKING:
    from tests.kubernetes.control_plane import ControlPlane

pytestmark = pytest.mark.kubernetes

IMAGE = "registry.test/curl:8.17.0"
RUNNING = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}


@pytest.fixture
def connection(control_plane: ControlPlane, namespace: str) -> Connection:
    level = "pod-security.kubernetes.io/enforce=restricted"
    control_plane.kubectl("label", "namespace", namespace, level)
    return connect(control_plane.context, str(control_plane.kubeconfig))


@pytest.fixture
def pod(control_plane: ControlPlane, connection: Connection, namespace: str) -> Pod:
    manifest = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web", "namespace": namespace},
        "spec": {
            "securityContext": {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{"name": "web", "image": IMAGE, "securityContext": SECURITY}],
            "volumes": [{"name": "token", "emptyDir": {}}],
        },
    }
    control_plane.kubectl("create", "--filename=-", given=json.dumps(manifest))
    return Pod("web", "web", "10.0.0.1", connection.get(f"/api/v1/namespaces/{namespace}/pods/web") or {})


def report(control_plane: ControlPlane, pod: Pod, field: str, name: str, state: dict[str, Any]) -> None:
    """Write what a kubelet would of a container."""
    statuses = [{"name": name, "ready": True, "restartCount": 0, "image": IMAGE, "imageID": "", "state": state}]
    patch = json.dumps({"status": {"phase": "Running", "podIP": "10.0.0.1", field: statuses}})
    namespace = pod.manifest["metadata"]["namespace"]
    control_plane.kubectl("patch", "pod", pod.name, "-n", namespace, "--subresource=status", "--patch", patch)


def containers(connection: Connection, pod: Pod) -> list[dict[str, Any]]:
    return list((connection.get(pod.path()) or {})["spec"].get("ephemeralContainers", ()))


def test_one_container_is_added_to_a_pod_and_stays(
    control_plane: ControlPlane, connection: Connection, pod: Pod
) -> None:
    mounts = [{"name": "token", "mountPath": "/var/run/secrets"}]
    with ThreadPoolExecutor() as pool:
        added = pool.submit(ensure_probe, connection, pod, IMAGE, mounts)
        [container] = eventually(lambda: containers(connection, pod))
        report(control_plane, pod, "ephemeralContainerStatuses", container["name"], RUNNING)
        assert added.result() == container["name"]
    assert container["image"] == IMAGE
    assert container["securityContext"]["runAsUser"] not in {5995, 5996}
    assert container["volumeMounts"] == [{"name": "token", "mountPath": "/var/run/secrets", "readOnly": True}]
    assert ensure_probe(connection, pod, IMAGE, mounts) == container["name"]
    assert len(containers(connection, pod)) == 1


def test_an_image_that_can_not_be_had_is_named(control_plane: ControlPlane, connection: Connection, pod: Pod) -> None:
    waiting = {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}
    with ThreadPoolExecutor() as pool:
        added = pool.submit(ensure_probe, connection, pod, IMAGE, ())
        [container] = eventually(lambda: containers(connection, pod))
        report(control_plane, pod, "ephemeralContainerStatuses", container["name"], waiting)
        with pytest.raises(InputError, match=r"ImagePullBackOff no such image; set 'probeImage'"):
            added.result()


def placement(namespace: str) -> Placement:
    return Placement("prod", "bookinfo", namespace, "consul", "v1", namespace, "page-tls")


def test_the_pod_without_a_sidecar_goes_as_it_came(
    control_plane: ControlPlane, connection: Connection, namespace: str
) -> None:
    root = f"/api/v1/namespaces/{namespace}"
    with ThreadPoolExecutor() as pool:
        made = pool.submit(make_outsider, connection, placement(namespace), IMAGE)
        found = eventually(lambda: connection.get(f"{root}/pods/posture-verify")) or {}
        pod = Pod("unknown", "posture-verify", "", found)
        report(control_plane, pod, "containerStatuses", "posture-verify", RUNNING)
        assert made.result().manifest["spec"]["serviceAccountName"] == "unknown"
    assert found["metadata"]["annotations"]["consul.hashicorp.com/connect-inject"] == "false"
    remove_outsider(connection, placement(namespace))
    assert connection.get(f"{root}/pods/posture-verify") is None
    assert connection.get(f"{root}/serviceaccounts/unknown") is None


def test_an_account_of_somebody_elses_is_left_alone(
    control_plane: ControlPlane, connection: Connection, namespace: str
) -> None:
    control_plane.kubectl("create", "serviceaccount", "unknown", "-n", namespace)
    with pytest.raises(InputError, match=r"a service account called 'unknown' is there"):
        make_outsider(connection, placement(namespace), IMAGE)
    remove_outsider(connection, placement(namespace))
    assert connection.get(f"/api/v1/namespaces/{namespace}/serviceaccounts/unknown")


def test_a_pod_that_no_node_runs_takes_no_command(connection: Connection, pod: Pod) -> None:
    with pytest.raises(InputError, match=r"no command can be run in pod web \(status 400\)"):
        run(connection, pod, "web", ["true"])


def test_without_permission_it_is_said_for_what(control_plane: ControlPlane, pod: Pod) -> None:
    restricted = connect(control_plane.restricted_context, str(control_plane.kubeconfig))
    with pytest.raises(InputError, match=r"context 'restricted' has no permission to create pods/exec"):
        run(restricted, pod, "web", ["true"])
