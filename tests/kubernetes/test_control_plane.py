"""The control plane that the other tests here rely on is real, strict, and gone when it is closed."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.conftest import eventually
from tests.kubernetes.control_plane import ControlPlane

pytestmark = pytest.mark.kubernetes

ROOT = Path(__file__).parents[2]
STARTS_ONE = """
import json, pathlib, sys, time
from tests.kubernetes.control_plane import ControlPlane
programs = {name: pathlib.Path(path) for name, path in json.loads(sys.argv[2]).items()}
with ControlPlane(pathlib.Path(sys.argv[1]), programs) as started:
    print(json.dumps(started.pids), flush=True)
    time.sleep(60)
"""


def service_defaults(namespace: str, **spec: str) -> str:
    return json.dumps(
        {
            "apiVersion": "consul.hashicorp.com/v1alpha1",
            "kind": "ServiceDefaults",
            "metadata": {"name": "details", "namespace": namespace},
            "spec": spec,
        }
    )


def alive(pid: int) -> bool:
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False


def test_it_is_the_kubernetes_that_is_pinned(control_plane: ControlPlane) -> None:
    version = json.loads(control_plane.kubectl("version", "--output=json"))["serverVersion"]
    assert (version["major"], version["minor"], version["gitVersion"]) == ("1", "36", "v1.36.3")


@pytest.mark.parametrize("validate", ["strict", "true"])
def test_a_custom_resource_with_an_unknown_field_is_refused(
    control_plane: ControlPlane, namespace: str, validate: str
) -> None:
    given = service_defaults(namespace, protocol="http", protocool="http")
    said = control_plane.kubectl("apply", f"--validate={validate}", "--filename=-", given=given, check=False)
    assert 'unknown field "spec.protocool"' in said
    assert "NotFound" in control_plane.kubectl("get", "servicedefaults/details", "-n", namespace, check=False)


def test_a_custom_resource_as_it_should_be_is_accepted(control_plane: ControlPlane, namespace: str) -> None:
    given = service_defaults(namespace, protocol="http")
    control_plane.kubectl("apply", "--validate=strict", "--filename=-", given=given)
    found = json.loads(control_plane.kubectl("get", "servicedefaults/details", "-n", namespace, "--output=json"))
    assert found["spec"] == {"protocol": "http"}
    assert "status" not in found  # nobody is there to say anything


def test_a_namespace_is_deleted_with_all_that_is_in_it(control_plane: ControlPlane) -> None:
    control_plane.kubectl("create", "namespace", "goes")
    control_plane.kubectl("create", "configmap", "inside", "-n", "goes")
    control_plane.kubectl("delete", "namespace", "goes", "--timeout=30s")
    assert "NotFound" in control_plane.kubectl("get", "namespace", "goes", check=False)
    with control_plane.client("test") as client:
        maps = client.get("/api/v1/configmaps").raise_for_status().json()["items"]
    assert "goes" not in {each["metadata"]["namespace"] for each in maps}


def test_the_audit_log_tells_who_wrote_what(control_plane: ControlPlane, namespace: str) -> None:
    control_plane.kubectl("create", "configmap", "audited", "--from-literal=a=b", "-n", namespace)
    (event,) = eventually(
        lambda: [
            each
            for each in control_plane.audit()
            if (each["objectRef"].get("namespace"), each["objectRef"].get("name")) == (namespace, "audited")
        ]
    )
    assert (event["verb"], event["user"]["username"], event["responseStatus"]["code"]) == ("create", "admin", 201)
    assert event["requestObject"]["data"] == {"a": "b"}


def test_the_audit_log_tells_of_nobody_who_only_reads_and_not_of_the_control_plane(control_plane: ControlPlane) -> None:
    control_plane.kubectl("get", "pods", "--all-namespaces")
    events = list(control_plane.audit())
    assert events
    assert {each["verb"] for each in events} <= {"create", "update", "patch", "delete", "deletecollection"}
    assert not [each for each in events if each["user"]["username"].startswith("system:")]


def test_the_restricted_user_may_do_nothing_and_is_who_one_is_by_default(control_plane: ControlPlane) -> None:
    said = control_plane.kubectl("get", "pods", context=control_plane.restricted_context, check=False)
    assert 'User "restricted" cannot list resource "pods" in API group ""' in said
    assert control_plane.kubectl("config", "current-context").strip() == control_plane.restricted_context


def test_nothing_of_it_is_left_when_it_is_closed(kubernetes_programs: dict[str, Path], tmp_path: Path) -> None:
    with ControlPlane(tmp_path, kubernetes_programs) as started:
        pids = started.pids
        assert [psutil.Process(pid).name()[:15] for pid in pids] == ["etcd", "kube-apiserver", "kube-controller"]
        listening = {
            each.laddr.ip for pid in pids for each in psutil.Process(pid).net_connections() if each.status == "LISTEN"
        }
        assert listening == {"127.0.0.1"}
    assert not any(map(psutil.pid_exists, pids))


def test_nothing_of_it_is_left_when_its_test_run_is_killed(
    kubernetes_programs: dict[str, Path], tmp_path: Path
) -> None:
    programs = json.dumps({name: str(path) for name, path in kubernetes_programs.items()})
    command = [sys.executable, "-c", STARTS_ONE, str(tmp_path), programs]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        pids = json.loads(run.stdout.readline())
        assert all(map(alive, pids))
        run.kill()
    eventually(lambda: not any(map(alive, pids)), seconds=5)


def test_a_program_that_dies_at_once_is_told_with_its_own_words(
    kubernetes_programs: dict[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "etcd").touch()  # where its data is to go
    with (
        pytest.raises(AssertionError, match=r"etcd has died:\n[\s\S]*not a directory"),
        ControlPlane(tmp_path, kubernetes_programs),
    ):
        pass
