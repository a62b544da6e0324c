"""Helm releases by the stand-in kubernetes provider and a real `helm`, on a real API server, without an engine."""

from __future__ import annotations

import asyncio
import os
import shlex
import subprocess
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

import psutil
import pytest
from pulumi.provider.experimental import provider as api
from pulumi.provider.experimental.property_value import PropertyValue

from posture.local.plugins.kubernetes_helm import Helm
from posture.local.plugins.kubernetes_release import ReleaseProvider
from posture.local.plugins.property_values import is_unknown, plain, properties, secret_texts
from posture.local.plugins.provider_server import Failure, Unfinished
from tests.conftest import eventually
from tests.kubernetes.chart import write_chart

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    from posture.local.plugins.kubernetes_helm import Release
    from tests.kubernetes.control_plane import ControlPlane

pytestmark = [pytest.mark.kubernetes]

T = TypeVar("T")
URN = "urn:pulumi:dev::objects::posture:kubernetes:ConsulRelease$kubernetes:helm.sh/v3:Release::consul"
SECRET = "a-gossip-key-that-nobody-sees"  # noqa: S105 - it is to be found nowhere
# No node is there, so it never becomes available.
NEVER_READY = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: consul-server}
spec:
  replicas: {{ .Values.replicas }}
  selector: {matchLabels: {app: consul}}
  template:
    metadata: {labels: {app: consul}}
    spec:
      containers: [{name: consul, image: "registry.example/consul:1", env: [{name: KEY, value: {{ .Values.key }}}]}]
"""
HELD = """
apiVersion: v1
kind: ConfigMap
metadata: {name: held, finalizers: [test.example/held]}
"""
REFUSED = """
apiVersion: v1
kind: Service
metadata: {name: consul}
spec: {type: {{ .Values.type }}, ports: [{port: 1}]}
"""


class Releases:
    """One release and the provider that handles it; inputs are secret where `secret` names them."""

    def __init__(self, control_plane: ControlPlane, helm: Path, namespace: str) -> None:
        self.options = {"kubeconfig": str(control_plane.kubeconfig), "context": control_plane.context}
        dropped = ("KUBE", "HELM_")
        self.environment = {key: value for key, value in os.environ.items() if not key.startswith(dropped)}
        self.environment["PATH"] = f"{helm.parent}:{self.environment['PATH']}"
        self.id = f"{namespace}/consul"
        self.inputs: dict[str, Any] = {"name": "consul", "namespace": namespace, "timeout": 3}

    def check(self, **inputs: Any) -> api.CheckResponse:
        request = api.CheckRequest(URN, {}, self.properties(**inputs), b"")
        return self.ask(lambda provider: provider.check(request))

    def checked(self, **inputs: Any) -> dict[str, PropertyValue]:
        response = self.check(**inputs)
        assert not response.failures, [failure.reason for failure in response.failures or ()]
        assert response.inputs
        return response.inputs

    def create(self, *, preview: bool = False, **inputs: Any) -> api.CreateResponse:
        request = api.CreateRequest(URN, self.checked(**inputs), 0, preview)
        return self.ask(lambda provider: provider.create(request))

    def update(self, olds: dict[str, PropertyValue], **inputs: Any) -> dict[str, Any]:
        request = api.UpdateRequest(URN, self.id, olds, self.checked(**inputs), 0, [], preview=False)
        return plain(self.ask(lambda provider: provider.update(request)).properties or {})

    def diff(self, olds: dict[str, PropertyValue], **inputs: Any) -> api.DiffResponse:
        request = api.DiffRequest(URN, self.id, olds, self.checked(**inputs), [])
        return self.ask(lambda provider: provider.diff(request))

    def read(self, olds: dict[str, PropertyValue], **inputs: Any) -> api.ReadResponse:
        request = api.ReadRequest(URN, self.id, olds, self.checked(**inputs))
        return self.ask(lambda provider: provider.read(request))

    def delete(self, olds: dict[str, PropertyValue]) -> None:
        self.ask(lambda provider: provider.delete(api.DeleteRequest(URN, self.id, olds, 0)))

    def properties(self, **inputs: Any) -> dict[str, PropertyValue]:
        made = properties({**self.inputs, **inputs})
        values = properties(inputs.get("values", {}))
        if "key" in values:
            values["key"] = values["key"].with_secret(True)  # noqa: FBT003 - the SDK's signature
        return {**made, "values": PropertyValue(values)}

    def ask(self, question: Callable[[ReleaseProvider], Coroutine[Any, Any, T]]) -> T:
        async def answer() -> T:
            provider = ReleaseProvider(self.environment)
            await provider.configure(api.ConfigureRequest({}, properties(self.options), True, True))  # noqa: FBT003
            return await question(provider)

        return asyncio.run(answer())


@pytest.fixture
def releases(control_plane: ControlPlane, kubernetes_programs: dict[str, Path], namespace: str) -> Releases:
    return Releases(control_plane, kubernetes_programs["helm"], namespace)


def chart(folder: Path, **templates: str) -> str:
    folder.mkdir(exist_ok=True)
    return str(write_chart(folder, **templates))


def values(**given: object) -> dict[str, object]:
    return {"global": {}, **given}


def test_a_release_is_created_read_compared_and_deleted(releases: Releases, tmp_path: Path) -> None:
    inputs: dict[str, Any] = {"chart": chart(tmp_path / "chart"), "values": values(key=SECRET, nothing=None)}
    preview = releases.create(**inputs, preview=True)
    assert preview.properties
    assert is_unknown(preview.properties["status"].value)
    assert releases.read({}, **inputs).resource_id is None, "a preview has made something"

    made = releases.create(**inputs)
    assert made.resource_id == releases.id
    assert made.properties
    state = plain(made.properties)
    assert state["version"] == "2.0.3"
    assert state["resourceNames"] == {
        "ConfigMap/v1": ["consul-settings"],
        "ServiceAccount/v1": ["consul-controller"],
    }
    namespace = releases.inputs["namespace"]
    assert state["status"] == {
        "name": "consul",
        "namespace": namespace,
        "chart": "consul",
        "version": "2.0.3",
        "appVersion": "2.0",
        "revision": 1,
        "status": "deployed",
    }
    assert made.properties["__inputs"].is_secret
    assert SECRET in secret_texts({"values": made.properties["values"]})

    seen = releases.read(made.properties, **inputs)
    assert plain(seen.properties or {}) == state
    assert releases.diff(made.properties, **inputs).detailed_diff == {}
    changed = releases.diff(made.properties, chart=inputs["chart"], values=values(key="other", nothing=None))
    assert (list(changed.detailed_diff or {}), changed.replaces) == (["values.key"], [])
    assert releases.diff(made.properties, **inputs, name="other").replaces == ["name"]

    releases.delete(made.properties)
    assert releases.read(made.properties, **inputs).resource_id is None
    releases.delete(made.properties)  # as after a destroy that was interrupted


def test_a_release_that_could_not_be_looked_at_is_kept_and_upgraded_in_place(
    releases: Releases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs: dict[str, Any] = {"chart": chart(tmp_path / "chart"), "values": values(key=SECRET)}
    look, looks = Helm.find, []

    async def find(helm: Helm, release: Release) -> dict[str, Any] | None:
        looks.append(release)
        if len(looks) == 2:
            raise Failure("no answer")
        return await look(helm, release)

    monkeypatch.setattr(Helm, "find", find)
    with pytest.raises(Unfinished, match=r"Helm release .*/consul is there, unseen: no answer") as raised:
        releases.create(**inputs)
    assert raised.value.resource_id == releases.id
    assert SECRET in secret_texts({"values": raised.value.state["values"]})
    assert plain(releases.read(raised.value.state, **inputs).properties or {})["status"]["revision"] == 1
    assert releases.update(raised.value.state, **inputs)["status"]["revision"] == 2


def test_a_release_that_failed_is_kept_and_upgraded_in_place(
    releases: Releases, tmp_path: Path, control_plane: ControlPlane
) -> None:
    path = chart(tmp_path / "chart", server=NEVER_READY)
    with pytest.raises(Unfinished, match=r"Helm release .*/consul is there, but failed: helm install: ") as raised:
        releases.create(chart=path, values=values(replicas=1, key=SECRET))
    assert "\n" not in str(raised.value)
    assert raised.value.resource_id == releases.id
    state = releases.update(raised.value.state, chart=path, values=values(replicas=0, key=SECRET))
    assert (state["status"]["revision"], state["status"]["status"]) == (2, "deployed")
    found = control_plane.kubectl("get", "deployments", "-n", releases.inputs["namespace"], "-o", "name")
    assert found == "deployment.apps/consul-server\n"


@pytest.mark.parametrize(("made", "revision"), [(True, 2), (False, 1)])
def test_a_release_that_nobody_knows_the_end_of_is_kept_and_made_complete(
    releases: Releases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, revision: int, *, made: bool
) -> None:
    inputs: dict[str, Any] = {"chart": chart(tmp_path / "chart"), "values": values(key=SECRET)}
    install, find = Helm.install, Helm.find

    async def lose(helm: Helm, release: Release) -> None:
        if made:
            await install(helm, release)
        monkeypatch.setattr(Helm, "find", no_answer)
        raise Failure("helm install: connection refused")

    async def no_answer(*_: object) -> None:
        raise Failure("helm get: connection refused")

    monkeypatch.setattr(Helm, "install", lose)
    with pytest.raises(Unfinished, match="may be there: helm install: connection refused") as raised:
        releases.create(**inputs)
    monkeypatch.setattr(Helm, "install", install)
    monkeypatch.setattr(Helm, "find", find)
    assert releases.update(raised.value.state, **inputs)["status"]["revision"] == revision


def test_a_release_whose_helm_was_killed_is_ended_by_what_is_said_and_installed_anew(
    releases: Releases, tmp_path: Path, control_plane: ControlPlane
) -> None:
    path, namespace = chart(tmp_path / "chart", server=NEVER_READY), releases.inputs["namespace"]

    def kill() -> bool:
        if "sh.helm.release" not in control_plane.kubectl("get", "secrets", "-n", namespace, "-o", "name"):
            return False
        for child in psutil.Process().children():
            with suppress(psutil.NoSuchProcess):
                if "install" in child.cmdline():
                    child.kill()
                    return True
        return False

    killing = threading.Thread(target=eventually, args=(kill, "", 30))
    killing.start()
    with pytest.raises(Unfinished, match="is there, but pending-install: helm install: ") as raised:
        releases.create(chart=path, values=values(replicas=1, key=SECRET), timeout=60)
    killing.join()
    state, inputs = raised.value.state, {"chart": path, "values": values(replicas=0, key=SECRET)}
    with pytest.raises(Failure, match=r"another helm is at work on it, or one was cut off") as refused:
        releases.update(state, **inputs)
    command = str(refused.value).partition("began: ")[2].partition(",")[0]
    environment = {**releases.environment, "KUBECONFIG": str(control_plane.kubeconfig)}
    subprocess.run(shlex.split(command), env=environment, check=True, timeout=60)
    assert releases.update(state, **inputs)["status"]["revision"] == 1


def test_an_atomic_release_that_failed_is_gone(releases: Releases, tmp_path: Path) -> None:
    path = chart(tmp_path / "chart", server=NEVER_READY)
    with pytest.raises(Failure, match="helm install: INSTALLATION FAILED") as raised:
        releases.create(chart=path, values=values(replicas=1, key=SECRET), atomic=True)
    assert not isinstance(raised.value, Unfinished)


def test_one_that_is_not_to_be_awaited_is_not(releases: Releases, tmp_path: Path) -> None:
    path = chart(tmp_path / "chart", server=NEVER_READY)
    made = releases.create(chart=path, values=values(replicas=1, key=SECRET), skipAwait=True)
    assert plain(made.properties or {})["status"]["status"] == "deployed"


def test_neither_values_nor_keys_are_in_the_process_list_or_a_file(
    releases: Releases, tmp_path: Path, control_plane: ControlPlane
) -> None:
    releases.options["kubeconfig"] = control_plane.kubeconfig.read_text()  # given as content
    path = chart(tmp_path / "chart", server=NEVER_READY)
    seen: list[tuple[list[str], dict[str, str], list[str]]] = []

    def look() -> bool:
        for child in psutil.Process().children():
            with suppress(psutil.NoSuchProcess):
                if "install" in (words := child.cmdline()):
                    seen.append((words, child.environ(), [file.path for file in child.open_files()]))
                    return True
        return False

    watching = threading.Thread(target=eventually, args=(look,))
    watching.start()
    with pytest.raises(Unfinished) as raised:
        releases.create(chart=path, values=values(replicas=1, key=SECRET))
    watching.join()
    [(words, environment, files)] = seen
    assert "--values=-" in words
    assert f"--kube-context={control_plane.context}" in words
    keys = ("PRIVATE KEY", "client-key-data", SECRET)
    assert not [word for word in (*words, *environment.values()) for key in keys if key in word]
    assert not [file for file in files if "kubeconfig" in file and not file.startswith("/memfd:")]
    assert SECRET not in str(raised.value)


def test_what_is_uninstalled_is_awaited(releases: Releases, tmp_path: Path, control_plane: ControlPlane) -> None:
    inputs: dict[str, Any] = {"chart": chart(tmp_path / "chart", held=HELD), "values": values()}
    state = releases.create(**inputs).properties or {}
    with pytest.raises(Failure, match=r"helm uninstall: .* deadline exceeded") as raised:
        releases.delete(state)
    assert "\n" not in str(raised.value)
    freed = '[{"op": "remove", "path": "/metadata/finalizers"}]'
    namespace = f"--namespace={releases.inputs['namespace']}"
    control_plane.kubectl("patch", "configmap", "held", namespace, "--type=json", f"--patch={freed}")
    releases.delete(state)  # Helm has forgotten the release already


def test_what_a_server_refuses_is_one_line_without_secrets(releases: Releases, tmp_path: Path) -> None:
    path = chart(tmp_path / "chart", server=REFUSED.replace(".type", ".key"))
    with pytest.raises(Unfinished) as raised:
        releases.create(chart=path, values=values(key=SECRET))
    assert 'spec.type: Unsupported value: "[secret]"' in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_release_of_somebody_else_is_not_taken(releases: Releases, tmp_path: Path) -> None:
    inputs: dict[str, Any] = {"chart": chart(tmp_path / "chart"), "values": values()}
    releases.create(**inputs)
    with pytest.raises(Failure, match=r"there is a Helm release .* that is not this stack's") as raised:
        releases.create(**inputs)
    assert not isinstance(raised.value, Unfinished)


@pytest.mark.parametrize(
    ("inputs", "path", "words"),
    [
        ({"chart": "/nowhere"}, "chart", 'helm show: path "/nowhere" not found; check the chart'),
        ({"chart": "consul", "repositoryOpts": {"repo": "https://127.66.0.9:1"}}, "chart", "cannot be reached"),
        ({"chart": "consul", "createNamespace": True}, "createNamespace", "is not known to this stand-in"),
        ({"chart": "c", "repositoryOpts": {"password": "p"}}, "repositoryOpts.password", "is not known to this"),
        ({}, "chart", "give the release a chart"),
    ],
)
def test_what_can_not_be_is_refused_by_the_preview(
    releases: Releases, inputs: dict[str, Any], path: str, words: str
) -> None:
    [failure] = releases.check(**inputs).failures or []
    assert failure.property == path
    assert words in failure.reason
    assert "\n" not in failure.reason


def test_without_helm_the_official_plugin_is_named(releases: Releases, tmp_path: Path) -> None:
    releases.environment["PATH"] = str(tmp_path)
    [failure] = releases.check(chart=chart(tmp_path / "chart")).failures or []
    assert failure.reason.startswith("a Helm release where there is no 'helm' on PATH is not known to this stand-in")
    assert "pulumi plugin install resource kubernetes" in failure.reason
