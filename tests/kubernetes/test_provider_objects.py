"""The stand-in kubernetes provider under the real engine, against a real API server: objects come, change and go."""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.kubernetes.pulumi_stack import resources

if TYPE_CHECKING:
    from tests.kubernetes.control_plane import ControlPlane
    from tests.kubernetes.pulumi_stack import Stack

pytestmark = [pytest.mark.engine, pytest.mark.kubernetes]

SECRET = "correct horse battery staple"  # noqa: S105 - what must not be seen


def config_map(name: str = "settings", **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def service(**spec: object) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "details-service", "annotations": {"pulumi.com/skipAwait": "true"}},
        "spec": {"selector": {"app": "details"}, "ports": [{"name": "http", "port": 9080}], **spec},
    }


def deployment(name: str = "details-v1", replicas: int = 0, cpu: object = "1000m", **labels: str) -> dict[str, Any]:
    labels = labels or {"app": name}
    container = {
        "name": "main",
        "image": "registry.example/details:1",
        "args": [],
        "env": [{"name": "PORT", "value": "9080"}],
        "resources": {"requests": {"cpu": cpu, "memory": "64Mi"}},
        "securityContext": {"readOnlyRootFilesystem": True},
        "volumeMounts": [{"name": "data", "mountPath": "/data", "readOnly": False}],
    }
    pod = {"containers": [container], "volumes": [{"name": "data", "emptyDir": {}}], "hostNetwork": False}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {**pod, "enableServiceLinks": False}},
        },
    }


def service_defaults(protocol: str = "http") -> dict[str, Any]:
    return {
        "apiVersion": "consul.hashicorp.com/v1alpha1",
        "kind": "ServiceDefaults",
        "metadata": {"name": "details"},
        "spec": {"protocol": protocol},
    }


def everything() -> list[dict[str, Any]]:
    return [
        config_map(color="red"),
        service(),
        deployment(),
        service_defaults(),
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "details-account"}, "secrets": []},
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "token"}, "stringData": {"token": SECRET}},
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "Role",
            "metadata": {"name": "reader"},
            "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}],
        },
    ]


def live(control_plane: ControlPlane, namespace: str, kind: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(control_plane.kubectl("get", kind, name, "-n", namespace, "-o", "json"))
    return found


def test_a_second_up_and_a_refresh_change_nothing(stack: Stack, control_plane: ControlPlane, namespace: str) -> None:
    objects = everything()
    stack.declare(*objects)
    preview = stack.run("preview")
    assert resources(preview) == {"create": 2 + len(objects)}
    assert resources(stack.up()) == {"created": 2 + len(objects)}
    unchanged = {"unchanged": 2 + len(objects)}
    assert resources(stack.run("preview", "--diff")) == unchanged
    assert resources(stack.refresh()) == unchanged
    assert resources(stack.up()) == unchanged
    assert stack.state()["settings"]["id"] == f"{namespace}/settings"
    assert live(control_plane, namespace, "configmap", "settings")["data"] == {"color": "red"}
    assert resources(stack.destroy()) == {"deleted": 2 + len(objects)}
    assert "NotFound" in control_plane.kubectl("get", "configmap", "settings", "-n", namespace, check=False)


def test_a_changed_field_is_an_update_in_place_that_the_preview_shows(
    stack: Stack, control_plane: ControlPlane, namespace: str
) -> None:
    stack.declare(service(), service_defaults())
    stack.up()
    before = live(control_plane, namespace, "servicedefaults", "details")["metadata"]["uid"]
    for protocol in ("tcp", "http2"):  # the first takes over what was set at creation, the second is by apply alone
        stack.declare(
            service(ports=[{"name": "http", "port": 9080, "targetPort": protocol}]), service_defaults(protocol)
        )
        preview = stack.run("preview", "--diff")
        assert f'=> "{protocol}"' in preview
        stack.up()
    found = live(control_plane, namespace, "servicedefaults", "details")
    assert (found["spec"], found["metadata"]["uid"]) == ({"protocol": "http2"}, before)
    assert live(control_plane, namespace, "service", "details-service")["spec"]["ports"][0]["targetPort"] == "http2"


def test_a_field_that_is_no_longer_declared_is_removed(
    stack: Stack, control_plane: ControlPlane, namespace: str
) -> None:
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "details", "labels": {"a": "b"}}}
    stack.declare({**account, "automountServiceAccountToken": False})
    stack.up()
    stack.declare({**account, "metadata": {"name": "details"}})
    assert resources(stack.up()) == {"updated": 1, "unchanged": 2}
    found = live(control_plane, namespace, "serviceaccount", "details")
    assert "automountServiceAccountToken" not in found
    assert "labels" not in found["metadata"]


def test_what_can_not_change_in_place_is_deleted_and_made_anew(
    stack: Stack, control_plane: ControlPlane, namespace: str
) -> None:
    stack.declare(deployment(app="details"), config_map(color="red"))
    stack.up()
    before = live(control_plane, namespace, "deployment", "details-v1")["metadata"]["uid"]
    stack.declare(deployment(app="details", version="v2"), config_map(color="blue"))
    preview = stack.run("preview", "--diff")
    assert re.search(r"\+-kubernetes:apps/v1:Deployment: \(replace\)", preview)
    assert '"red" => "blue"' in preview
    assert resources(preview) == {"replace": 2, "unchanged": 2}
    assert resources(stack.up()) == {"replaced": 2, "unchanged": 2}
    assert live(control_plane, namespace, "deployment", "details-v1")["metadata"]["uid"] != before
    assert live(control_plane, namespace, "configmap", "settings")["data"] == {"color": "blue"}


def test_a_secret_changes_in_place_once_the_provider_is_told_so(
    stack: Stack, control_plane: ControlPlane, namespace: str
) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "token"}}
    stack.declare({**secret, "stringData": {"token": SECRET}})
    stack.up()
    before = live(control_plane, namespace, "secret", "token")["metadata"]["uid"]
    told = {**stack.provider, "enable_secret_mutable": True}
    stack.declare({**secret, "stringData": {"token": "other"}}, provider=told)
    assert resources(stack.up()) == {"updated": 2, "unchanged": 1}, "the provider and the Secret"
    found = live(control_plane, namespace, "secret", "token")
    assert (found["metadata"]["uid"], base64.b64decode(found["data"]["token"])) == (before, b"other")


def test_another_name_is_made_before_the_old_one_goes(
    stack: Stack, control_plane: ControlPlane, namespace: str
) -> None:
    old, new = config_map("old", color="red"), config_map("new", color="red")
    stack.declare(objects={"map": old})
    stack.up()
    stack.declare(objects={"map": new})
    assert resources(stack.up()) == {"replaced": 1, "unchanged": 2}
    writes = [
        (event["verb"], event["objectRef"]["name"])
        for event in control_plane.audit()
        if event["objectRef"].get("namespace") == namespace
        and event["objectRef"]["resource"] == "configmaps"
        and event["objectRef"].get("name") in {"old", "new"}
    ]
    assert writes == [("create", "old"), ("create", "new"), ("delete", "old")]


def test_drift_shows_in_a_refresh_and_the_next_up_heals_it(
    stack: Stack, control_plane: ControlPlane, namespace: str
) -> None:
    stack.declare(service_defaults())
    stack.up()
    patch = '{"spec": {"protocol": "tcp"}}'
    control_plane.kubectl("patch", "servicedefaults", "details", "-n", namespace, "--type=merge", "-p", patch)
    refresh = stack.refresh("--diff")
    assert '"http" => "tcp"' in refresh
    assert resources(refresh) == {"updated": 1, "unchanged": 2}
    assert resources(stack.up()) == {"updated": 1, "unchanged": 2}
    assert live(control_plane, namespace, "servicedefaults", "details")["spec"] == {"protocol": "http"}


def test_what_others_add_is_no_drift(stack: Stack, control_plane: ControlPlane, namespace: str) -> None:
    stack.declare(service_defaults())
    stack.up()
    control_plane.kubectl("label", "servicedefaults", "details", "-n", namespace, "somebody=else")
    assert resources(stack.run("up", "--yes", "--skip-preview", "--refresh")) == {"unchanged": 3}


def test_an_object_that_is_gone_leaves_the_state_and_comes_back(
    stack: Stack, control_plane: ControlPlane, namespace: str
) -> None:
    stack.declare(config_map(color="red"))
    stack.up()
    control_plane.kubectl("delete", "configmap", "settings", "-n", namespace)
    assert resources(stack.refresh()) == {"deleted": 1, "unchanged": 2}
    assert resources(stack.up()) == {"created": 1, "unchanged": 2}


def test_an_object_is_imported_by_namespace_and_name(stack: Stack, control_plane: ControlPlane, namespace: str) -> None:
    control_plane.kubectl("create", "configmap", "settings", "-n", namespace, "--from-literal=color=red")
    stack.declare(config_map(color="red"), **{"import": {"settings": f"{namespace}/settings"}})
    assert resources(stack.up()) == {"created": 2, "imported": 1}
    stack.declare(config_map(color="red"))
    assert resources(stack.up()) == {"unchanged": 3}


def test_an_imported_custom_resource_is_then_updated(stack: Stack, control_plane: ControlPlane, namespace: str) -> None:
    control_plane.kubectl("create", "-n", namespace, "-f", "-", given=json.dumps(service_defaults()))
    stack.declare(service_defaults(), **{"import": {"details": f"{namespace}/details"}})
    assert resources(stack.up()) == {"created": 2, "updated": 1, "imported": 1}
    stack.declare(service_defaults())
    assert resources(stack.up()) == {"unchanged": 3}


def test_a_namespace_and_what_is_in_it_come_and_go_in_one_run(stack: Stack, control_plane: ControlPlane) -> None:
    inner = {**config_map(color="red"), "metadata": {"name": "settings", "namespace": "made-by-provider"}}
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "made-by-provider"}}
    stack.declare(space, inner, after={"settings": ["made-by-provider"]})
    assert resources(stack.run("preview")) == {"create": 4}
    assert resources(stack.up()) == {"created": 4}
    assert resources(stack.destroy()) == {"deleted": 4}
    assert "NotFound" in control_plane.kubectl("get", "namespace", "made-by-provider", check=False)


def test_a_secret_is_nowhere_in_the_clear(stack: Stack, control_plane: ControlPlane, namespace: str) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "token"}, "stringData": {"token": SECRET}}
    marked = {**config_map(), "data": {"color": SECRET}}
    stack.declare(secret, marked, secret=["stringData", "data"])
    output = stack.run("preview", "--diff") + stack.up() + stack.refresh()
    stack.declare({**secret, "stringData": {"token": "other", "more": SECRET}}, marked, secret=["stringData", "data"])
    output += stack.run("preview", "--diff") + stack.up()
    kept = [file.read_text() for file in (stack.folder.parent / "state/.pulumi/stacks").rglob("*.json")]
    encoded = base64.b64encode(SECRET.encode()).decode()
    assert kept
    assert not [text for text in [*kept, output] if SECRET in text or encoded in text]
    assert live(control_plane, namespace, "secret", "token")["data"]["more"] == encoded


def test_a_preview_of_forty_objects_is_quick(stack: Stack) -> None:
    maps = [config_map(f"settings-{number}", color="red") for number in range(40)]
    stack.declare(*maps)
    stack.up()
    assert resources(stack.run("preview")) == {"unchanged": 42}
