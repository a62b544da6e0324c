"""When the stand-in kubernetes provider takes an object for ready, and when for gone."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.kubernetes.pulumi_stack import resources

if TYPE_CHECKING:
    from tests.kubernetes.control_plane import ControlPlane
    from tests.kubernetes.pulumi_stack import Stack

pytestmark = [pytest.mark.engine, pytest.mark.kubernetes]


def service_defaults(wait_for: str = "condition=Synced", protocol: str = "http", **annotations: str) -> dict[str, Any]:
    annotations = {f"pulumi.com/{key}": value for key, value in annotations.items()}
    return {
        "apiVersion": "consul.hashicorp.com/v1alpha1",
        "kind": "ServiceDefaults",
        "metadata": {"name": "details", "annotations": {"pulumi.com/waitFor": wait_for, **annotations}},
        "spec": {"protocol": protocol},
    }


def deployment(**annotations: str) -> dict[str, Any]:
    annotations = {f"pulumi.com/{key}": value for key, value in annotations.items()}
    pod = {"containers": [{"name": "main", "image": "registry.example/details:1"}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "details", "annotations": annotations},
        "spec": {
            "selector": {"matchLabels": {"app": "details"}},
            "template": {"metadata": {"labels": {"app": "details"}}, "spec": pod},
        },
    }


@pytest.mark.usefixtures("consul_k8s")
def test_a_condition_is_awaited_when_an_object_is_created(stack: Stack) -> None:
    stack.declare(service_defaults())
    assert resources(stack.up()) == {"created": 3}
    conditions = stack.state()["details"]["outputs"]["status"]["conditions"]
    assert [each["status"] for each in conditions if each["type"] == "Synced"] == ["True"]


@pytest.mark.usefixtures("consul_k8s")
def test_an_old_condition_satisfies_an_update(stack: Stack) -> None:
    stack.declare(service_defaults())
    stack.up()
    stack.declare(service_defaults(protocol="tcp"))
    assert resources(stack.up()) == {"updated": 1, "unchanged": 2}


@pytest.mark.usefixtures("consul_k8s")
def test_all_of_a_list_are_awaited(stack: Stack) -> None:
    stack.declare(service_defaults('["condition=synced=true", "jsonpath={.status.conditions[0].status}=True"]'))
    assert resources(stack.up()) == {"created": 3}


def test_a_condition_that_does_not_come_is_said_and_the_next_up_goes_on(stack: Stack) -> None:
    stack.declare(service_defaults(timeoutSeconds="1"))
    output = stack.up(1)
    assert "ServiceDefaults" in output
    assert "is not ready in time: it has no condition Synced" in output
    assert stack.state()["details"]["initErrors"]
    stack.declare(service_defaults(skipAwait="true"))
    assert resources(stack.up()) == {"updated": 1, "unchanged": 2}


def test_the_programs_own_timeout_comes_before_the_annotation(stack: Stack) -> None:
    stack.declare(service_defaults(timeoutSeconds="600"), timeouts={"create": "1s"})
    begin = time.monotonic()
    stack.up(1)
    assert time.monotonic() - begin < 60
    stack.declare(service_defaults(skipAwait="true"))
    stack.up()


@pytest.mark.parametrize("expression", ["Synced", "condition=", "jsonpath={.items[?(@.a)]}"])
def test_an_expression_that_is_not_understood_is_refused_by_the_preview(stack: Stack, expression: str) -> None:
    stack.declare(service_defaults(expression))
    assert "is not understood; write condition=TYPE[=STATUS]" in stack.run("preview", check=1)


@pytest.mark.usefixtures("node")
def test_a_deployment_is_awaited_until_it_is_available(stack: Stack) -> None:
    stack.declare(deployment())
    assert resources(stack.up()) == {"created": 3}
    assert stack.state()["details"]["outputs"]["status"]["availableReplicas"] == 1


def test_a_deployment_without_pods_says_what_is_missing(stack: Stack) -> None:
    stack.declare(deployment(timeoutSeconds="2"))
    assert "is not ready in time: 0 of 1 replicas are available" in stack.up(1)


def test_a_delete_waits_for_finalizers_and_names_them(
    stack: Stack, control_plane: ControlPlane, namespace: str
) -> None:
    held = service_defaults(skipAwait="true")
    held["metadata"]["finalizers"] = ["finalizers.example.com/held"]
    stack.declare(held, timeouts={"delete": "2s"})
    stack.up()
    stack.run("up", "--yes", "--skip-preview")
    stack.declare(timeouts={"delete": "2s"})
    output = stack.up(1)
    assert "is not gone in time: held by finalizer finalizers.example.com/held" in output
    patch = '{"metadata": {"finalizers": []}}'
    control_plane.kubectl("patch", "servicedefaults", "details", "-n", namespace, "--type=merge", "-p", patch)
    assert resources(stack.up()) == {"deleted": 1, "unchanged": 2}
