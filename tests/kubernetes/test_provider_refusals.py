"""What the stand-in kubernetes provider says in one line when something can't be done."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import eventually
from tests.kubernetes.pulumi_stack import Stack, make_stack, resources

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.kubernetes.control_plane import ControlPlane

pytestmark = [pytest.mark.engine, pytest.mark.kubernetes]

NO_RED = """
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: no-red}
spec:
  matchConstraints:
    namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: NAMESPACE}}
    resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [configmaps]}]
  validations: [{expression: "object.metadata.?labels.?color.orValue('') != 'red'", message: no red, reason: Forbidden}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: no-red}
spec: {policyName: no-red, validationActions: [Deny]}
"""
MISSING = {"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "thing"}, "spec": {}}


@pytest.fixture
def stack_of(tmp_path: Path, pulumi: Path, control_plane: ControlPlane, namespace: str) -> Callable[..., Stack]:
    """Makes a stack whose provider has other options than an administrator's."""

    def make(**options: str) -> Stack:
        provider = {"kubeconfig": str(control_plane.kubeconfig), "context": control_plane.context}
        return make_stack(tmp_path, pulumi, {**provider, "namespace": namespace, **options})

    return make


@pytest.fixture
def stack(stack_of: Callable[..., Stack]) -> Iterator[Stack]:
    made = stack_of()
    yield made
    made.declare()
    made.up()


def config_map(**data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": data}


def service_defaults(**spec: object) -> dict[str, Any]:
    return {
        "apiVersion": "consul.hashicorp.com/v1alpha1",
        "kind": "ServiceDefaults",
        "metadata": {"name": "details"},
        "spec": spec,
    }


def error_lines(output: str) -> set[str]:
    return {line.partition("error: ")[2] for line in output.splitlines() if line.startswith("    error: ")}


def test_a_preview_shows_what_admission_refuses(stack: Stack, namespace: str) -> None:
    port = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "details"},
        "spec": {"ports": [{"port": 0, "targetPort": 1}]},
    }
    stack.declare(port)
    (line,) = error_lines(stack.run("preview", check=1)) - {"preview failed"}
    assert line == (
        f'Preview failed: can\'t create Service {namespace}/details: Service "details" is invalid: '
        "spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive (HTTP 422)"
    )


@pytest.mark.parametrize("before", [(), ({"protocol": "http"},)])
def test_a_preview_refuses_a_field_that_the_schema_does_not_know(stack: Stack, before: tuple[dict[str, str]]) -> None:
    for spec in before:
        stack.declare(service_defaults(**spec))
        stack.up()
    stack.declare(service_defaults(protocl="http"))
    output = stack.run("preview", check=1)
    assert "protocl" in output
    assert "(HTTP 4" in output or "(HTTP 5" in output


def test_a_refused_update_is_kept_as_unfinished_and_the_next_up_completes_it(stack: Stack) -> None:
    stack.declare(service_defaults(protocol="http"))
    stack.up()
    stack.declare(service_defaults(protocl="tcp"))
    assert "can't update ServiceDefaults" in stack.up(1)
    stack.declare(service_defaults(protocol="http"))
    assert resources(stack.up()) == {"updated": 1, "unchanged": 2}
    assert resources(stack.up()) == {"unchanged": 3}


def test_a_field_of_another_owner_is_a_conflict_that_names_both(
    stack: Stack, control_plane: ControlPlane, namespace: str
) -> None:
    stack.declare(service_defaults(protocol="http"))
    stack.up()
    theirs = json.dumps(service_defaults(protocol="tcp"))
    apply = ("apply", "-n", namespace, "--server-side", "--field-manager=somebody", "--force-conflicts", "-f", "-")
    control_plane.kubectl(*apply, given=theirs)
    stack.declare(service_defaults(protocol="http2"))
    output = stack.up(1)
    assert 'conflict with "somebody"' in output
    assert ".spec.protocol (HTTP 409); to take the field over" in output
    forced = service_defaults(protocol="http2")
    forced["metadata"]["annotations"] = {"pulumi.com/patchForce": "true"}
    stack.declare(forced)
    assert resources(stack.up()) == {"updated": 1, "unchanged": 2}


def test_an_object_that_is_there_already_is_not_taken(
    stack: Stack, control_plane: ControlPlane, namespace: str
) -> None:
    control_plane.kubectl("create", "configmap", "settings", "-n", namespace, "--from-literal=color=red")
    stack.declare(config_map(color="blue"))
    assert resources(stack.run("preview")) == {"create": 3}
    output = stack.up(1)
    assert f"can't create ConfigMap {namespace}/settings" in output
    assert "already exists (HTTP 409); it is not this stack's" in output
    found = control_plane.kubectl("get", "configmap", "settings", "-n", namespace, "-o", "jsonpath={.data.color}")
    assert found == "red"


def test_a_kind_that_the_cluster_does_not_have_is_a_create_in_a_preview_and_an_error_in_an_up(stack: Stack) -> None:
    stack.declare(MISSING)
    assert resources(stack.run("preview")) == {"create": 3}
    output = stack.up(1)
    assert "the cluster has no such kind of object (example.com/v1 Thing); install its CRD or chart first" in output


def test_what_a_user_may_not_do_is_said_by_verb_and_resource(
    stack_of: Callable[..., Stack], control_plane: ControlPlane
) -> None:
    stack = stack_of(context=control_plane.restricted_context)
    stack.declare(config_map(color="red"))
    assert resources(stack.run("preview")) == {"create": 3}, "as the official plugin has it"
    output = stack.up(1)
    assert 'cannot create resource "configmaps" in API group "" in the namespace' in output
    assert "(HTTP 403)" in output


@pytest.fixture
def no_red(control_plane: ControlPlane, namespace: str) -> Iterator[None]:
    """A policy of the cluster refuses red, by 403."""
    given = NO_RED.replace("NAMESPACE", namespace)
    control_plane.kubectl("apply", "--filename=-", given=given)
    try_it = ("label", "configmap", "kube-root-ca.crt", "-n", namespace, "color=red", "--dry-run=server")
    eventually(lambda: "denied request" in control_plane.kubectl(*try_it, check=False))
    yield
    control_plane.kubectl("delete", "--filename=-", given=given)


@pytest.mark.usefixtures("no_red")
def test_what_a_policy_refuses_by_403_stops_a_preview(stack: Stack) -> None:
    def labelled(color: str) -> dict[str, Any]:
        return {**config_map(), "metadata": {"name": "settings", "labels": {"color": color}}}

    stack.declare(labelled("red"))
    assert "denied request: no red (HTTP 403)" in stack.run("preview", check=1)
    stack.declare(labelled("blue"))
    stack.up()
    stack.declare(labelled("red"))
    assert "denied request: no red (HTTP 403)" in stack.run("preview", check=1)


def test_a_cluster_that_does_not_answer_stops_no_preview_but_an_up(
    stack_of: Callable[..., Stack], control_plane: ControlPlane
) -> None:
    config = json.loads(control_plane.kubeconfig.read_text())
    config["clusters"][0]["cluster"]["server"] = "https://127.66.0.9:1"
    stack = stack_of(kubeconfig=json.dumps(config))  # given as content, not as a path
    stack.declare(config_map(color="red"), later=True)
    preview = stack.run("preview")
    assert resources(preview) == {"create": 4}
    assert "warning: the configured cluster is unreachable, so nothing is checked there" in preview
    assert "no answer from the API server at https://127.66.0.9:1" in stack.up(1)


def test_a_context_that_is_not_there_is_never_replaced_by_the_current_one(stack_of: Callable[..., Stack]) -> None:
    stack = stack_of(context="elsewhere")
    stack.declare(config_map(color="red"))
    assert "the kubeconfig has no context 'elsewhere'" in stack.up(1)


def test_another_cluster_replaces_everything_but_another_user_does_not(
    stack_of: Callable[..., Stack], control_plane: ControlPlane, tmp_path: Path
) -> None:
    stack = stack_of()
    stack.declare(config_map(color="red"))
    stack.up()
    config = json.loads(control_plane.kubeconfig.read_text())
    admin = next(each for each in config["contexts"] if each["name"] == control_plane.context)
    config["contexts"].append({"name": "same", "context": dict(admin["context"])})
    moved = {"name": "moved", "cluster": {**config["clusters"][0]["cluster"], "tls-server-name": "localhost"}}
    config["clusters"].append(moved)
    config["contexts"].append({"name": "elsewhere", "context": {**admin["context"], "cluster": "moved"}})
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(json.dumps(config))
    same = {**stack.provider, "kubeconfig": str(kubeconfig), "context": "same"}
    stack.declare(config_map(color="red"), provider=same)
    assert resources(stack.up()) == {"updated": 1, "unchanged": 2}
    stack.declare(config_map(color="red"), provider={**same, "context": "elsewhere"})
    assert resources(stack.run("preview")) == {"replace": 2, "unchanged": 1}
    stack.destroy()


@pytest.mark.parametrize(
    ("config", "what"),
    [({"chart": True}, "kubernetes:helm.sh/v4:Chart"), ({"file": True}, "kubernetes:yaml:decode")],
)
def test_what_only_the_official_plugin_knows_is_refused(stack: Stack, config: dict[str, bool], what: str) -> None:
    stack.declare(**config)
    assert (
        f"{what} is not known to this stand-in for the kubernetes plugin; "
        "install the official plugin: pulumi plugin install resource kubernetes 4.34.2\n"
    ) in stack.run("preview", check=1)


@pytest.mark.parametrize(
    ("object_", "what"),
    [
        ({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}}, "kubernetes:core/v1:Pod is not known"),
        ({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}}, "give the object a name"),
    ],
)
def test_an_object_that_we_do_not_handle_is_refused_by_the_preview(
    stack: Stack, object_: dict[str, Any], what: str
) -> None:
    stack.declare(object_)
    assert what in stack.run("preview", check=1)


def test_an_option_that_we_do_not_know_is_refused(stack_of: Callable[..., Stack]) -> None:
    stack = stack_of(render_yaml_to_directory="out")
    assert "renderYamlToDirectory is not known to this stand-in" in stack.run("preview", check=1)
