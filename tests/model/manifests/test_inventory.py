"""The Kubernetes objects of the shipped postures, held against golden YAML that a reviewer can read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from posture.model.limit_fields import Proxies
from posture.model.manifests.inventory import Inventory, inventory
from posture.model.posture import available
from posture.model.settings import settings_from
from posture.report.manifests_yaml import manifests_yaml

ROOT = Path(__file__).parents[3]
POSTURES = available(ROOT / "stacks")


def inventory_of(posture: str, **settings: object) -> Inventory:
    values = {"target": "kubernetes", "kubeContext": "kind-bookinfo", "gatewaySecret": "page-tls", "posture": posture}
    found = settings_from("prod", {**values, **settings})
    return inventory(*found.load(ROOT), found, "prod")


@pytest.mark.parametrize("posture", POSTURES)
def test_objects_are_the_golden_ones(posture: str, *, update_golden: bool) -> None:
    golden = ROOT / "tests" / "golden" / "kubernetes" / f"{posture}.yaml"
    text = manifests_yaml(inventory_of(posture))
    if update_golden:
        golden.write_text(text)
    assert text == golden.read_text()


def test_every_posture_has_the_same_objects_by_kind_and_name() -> None:
    def names(posture: str) -> list[tuple[str, str, str]]:
        return [
            (each["kind"], each["metadata"].get("namespace", ""), each["metadata"]["name"])
            for each in inventory_of(posture)
        ]

    assert all(names(posture) == names(POSTURES[0]) for posture in POSTURES)
    assert len(set(names(POSTURES[0]))) == len(names(POSTURES[0]))


def test_every_object_is_marked_as_the_stacks_own() -> None:
    for each in inventory_of("baseline", gatewaySecret="certificates/page-tls"):
        labels = each["metadata"]["labels"]
        assert labels["app.kubernetes.io/managed-by"] == "consul-posture", each
        assert labels["app.kubernetes.io/instance"] == "prod", each


def test_an_existing_consuls_namespace_is_left_alone() -> None:
    [only] = inventory_of("baseline", consulChart="existing").namespaces
    assert only["metadata"]["name"] == "bookinfo"


def test_the_older_chart_gets_the_older_gateway_api() -> None:
    for version, api in (("1.9.7", "v1beta1"), ("2.0.3", "v1")):
        versions = {each["apiVersion"] for each in inventory_of("baseline", consulChartVersion=version).gateway}
        assert versions == {f"gateway.networking.k8s.io/{api}"}


def test_a_secret_of_another_namespace_needs_leave() -> None:
    leave, gateway, _ = inventory_of("baseline", gatewaySecret="certificates/page-tls").gateway
    assert leave["kind"] == "ReferenceGrant"
    assert leave["metadata"]["namespace"] == "certificates"
    assert leave["spec"] == {
        "from": [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "namespace": "bookinfo"}],
        "to": [{"group": "", "kind": "Secret", "name": "page-tls"}],
    }
    [reference] = gateway["spec"]["listeners"][0]["tls"]["certificateRefs"]
    assert reference == {"name": "page-tls", "namespace": "certificates"}


def test_a_restricted_namespace_needs_the_cni_plugin() -> None:
    enforce = "pod-security.kubernetes.io/enforce"
    for cni, level in ((True, "restricted"), (False, "privileged")):
        *_, own = inventory_of("baseline", consulCni=cni).namespaces
        assert own["metadata"]["labels"][enforce] == level


def test_images_of_the_stack_go_over_the_applications() -> None:
    images = {"reviews": "mirror.test/reviews-{version}:1", "reviews-v2": "mirror.test/reviews@sha256:" + "0" * 64}
    found = inventory_of("baseline", images={name: image.replace("{version}", "x") for name, image in images.items()})
    chosen = {
        each["metadata"]["name"]: each["spec"]["template"]["spec"]["containers"][0]["image"]
        for workload in found.workloads
        for each in workload.deployments
    }
    assert chosen["reviews-v1"] == "mirror.test/reviews-x:1"
    assert chosen["reviews-v2"] == images["reviews-v2"]
    assert chosen["details-v1"].startswith("docker.io/istio/")


def test_no_pod_may_more_than_it_needs() -> None:
    for workload in inventory_of("baseline").workloads:
        for deployment in workload.deployments:
            pod = deployment["spec"]["template"]["spec"]
            [container] = pod["containers"]
            assert pod["securityContext"]["runAsNonRoot"]
            assert pod["enableServiceLinks"] is False
            assert container["securityContext"]["readOnlyRootFilesystem"]
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            assert container["resources"].keys() == {"requests", "limits"}


LONG = "/" + "a" * 64


@pytest.mark.parametrize(
    ("folders", "names"),
    [
        (["/run", "/opt/ibm/wlp/output"], ["run", "opt-ibm-wlp-output"]),
        (["/var/lib/my_app", "/run", "/run/.cache"], ["writable-1", "run", "writable-2"]),
        (["/a/b", "/a-b", "/run"], ["writable-1", "writable-2", "run"]),
        (["/writable-1", LONG], ["writable-1", "writable-2"]),
        (["/run", "/run"], ["run"]),
    ],
)
def test_each_writable_folder_is_a_volume_whose_name_is_a_label(folders: list[str], names: list[str]) -> None:
    settings = settings_from(
        "prod", {"target": "kubernetes", "kubeContext": "kind-bookinfo", "gatewaySecret": "page-tls"}
    )
    application, posture = settings.load(ROOT)
    details = application.services["details"]
    assert details.container
    container = details.container.model_copy(update={"writable": tuple(folders)})
    services = {"details": details.model_copy(update={"container": container})}
    changed = application.model_copy(update={"services": {**application.services, **services}})
    [pod] = [
        deployment["spec"]["template"]["spec"]
        for workload in inventory(changed, posture, settings, "prod").workloads
        for deployment in workload.deployments
        if workload.name == "details"
    ]
    assert [each["name"] for each in pod["volumes"]] == names
    mounts = {each["mountPath"]: each["name"] for each in pod["containers"][0]["volumeMounts"]}
    assert mounts == dict(zip(folders, names, strict=False))
    assert all(re.fullmatch("[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", name) for name in names)


def test_a_client_has_a_twin_outside_of_the_mesh() -> None:
    injected = {
        workload.name: workload.deployments[0]["spec"]["template"]["metadata"]["annotations"]
        for workload in inventory_of("baseline").workloads
    }
    assert injected["fortio"] == {
        "consul.hashicorp.com/connect-inject": "true",
        "consul.hashicorp.com/transparent-proxy": "true",
        "consul.hashicorp.com/consul-envoy-proxy-concurrency": "1",
    }
    assert injected["fortio-outside"] == {"consul.hashicorp.com/connect-inject": "false"}


def test_each_pod_asks_for_the_workers_that_its_limits_count_on_and_the_gateway_has_one() -> None:
    found = inventory_of("rate-limited", envoyWorkers=4)
    [annotations] = {
        tuple(sorted(deployment["spec"]["template"]["metadata"]["annotations"].items()))
        for workload in found.workloads
        for deployment in workload.deployments
        if workload.name != "fortio-outside"
    }
    assert ("consul.hashicorp.com/consul-envoy-proxy-concurrency", "4") in annotations
    values = {"envoyWorkers": 4, "kubeContext": "c"}
    assert settings_from("prod", {**values, "target": "kubernetes"}).proxies == Proxies(workers=4, gateway_workers=1)
    assert settings_from("dev", {"envoyWorkers": 4}).proxies == Proxies(workers=4, gateway_workers=4)
