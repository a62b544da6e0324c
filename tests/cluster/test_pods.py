"""Pods by the names that reports call them by."""

from __future__ import annotations

from typing import Any

from posture.cluster.connection import Connection
from posture.cluster.pods import pods


def pod(name: str, address: str = "10.0.0.1", *, phase: str = "Running", ending: bool = False, **labels: str) -> Any:
    deletion = {"deletionTimestamp": "2026-01-01T00:00:00Z"} if ending else {}
    metadata = {"name": name, "namespace": "bookinfo", "labels": labels, **deletion}
    return {"metadata": metadata, "status": {"phase": phase, **({"podIP": address} if address else {})}}


class Cluster(Connection):
    def __init__(self, *items: Any) -> None:
        self.items = items
        self.asked: tuple[str, dict[str, str]] = ("", {})

    def get(self, path: str, **query: str) -> dict[str, Any] | None:
        self.asked = path, query
        return {"items": list(self.items)}


def test_a_pod_is_called_as_its_deployment() -> None:
    cluster = Cluster(
        pod("reviews-v2-x", app="reviews", version="v2"), pod("reviews-v1-x", app="reviews", version="v1")
    )
    found = pods(cluster, "bookinfo", {"app": "reviews", "app.kubernetes.io/instance": "prod"})
    assert [(each.instance, each.name) for each in found] == [
        ("reviews-v1", "reviews-v1-x"),
        ("reviews-v2", "reviews-v2-x"),
    ]
    assert cluster.asked == (
        "/api/v1/namespaces/bookinfo/pods",
        {"labelSelector": "app=reviews,app.kubernetes.io/instance=prod"},
    )
    assert found[0].path("exec") == "/api/v1/namespaces/bookinfo/pods/reviews-v1-x/exec"


def test_of_several_alike_each_is_called_by_its_own_name() -> None:
    both = (pod("details-v1-a", app="details", version="v1"), pod("details-v1-b", app="details", version="v1"))
    assert [each.instance for each in pods(Cluster(*both), "bookinfo", {})] == ["details-v1-a", "details-v1-b"]


def test_one_that_bears_no_name_is_called_as_it_is_asked_for() -> None:
    assert [each.instance for each in pods(Cluster(pod("gateway-7f-x")), "bookinfo", {}, "gateway")] == ["gateway"]


def test_what_does_not_run_is_left_out() -> None:
    others = (pod("a", ending=True), pod("b", phase="Pending"), pod("c", address=""), pod("d", phase="Failed"))
    assert pods(Cluster(*others), "bookinfo", {}) == []


def test_an_address_of_ipv6_stands_in_brackets_in_urls() -> None:
    assert pods(Cluster(pod("a", "fd00::1")), "bookinfo", {})[0].host == "[fd00::1]"
