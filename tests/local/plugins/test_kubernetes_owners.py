from __future__ import annotations

from typing import Any

import pytest

from posture.local.plugins.kubernetes_owners import made_by_us, new_manager, taken_over


def entry(manager: str, operation: str = "Update", *fields: str, **more: str) -> dict[str, Any]:
    return {"manager": manager, "operation": operation, "fieldsV1": {"f:spec": {field: {} for field in fields}}, **more}


def live(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {"managedFields": list(entries)}}


def test_what_was_set_at_creation_and_by_kubectl_becomes_ours() -> None:
    found = taken_over(
        live(
            entry("pulumi-kubernetes", "Update", "f:a"),
            entry("somebody", "Apply", "f:b"),
            entry("kubectl-edit", "Update", "f:c"),
            entry("ours", "Apply", "f:d"),
        ),
        "ours",
    )
    assert found == [entry("somebody", "Apply", "f:b"), entry("ours", "Apply", "f:d", "f:a", "f:c")]


@pytest.mark.parametrize(
    "entries",
    [
        (),
        (entry("ours", "Apply", "f:a"), entry("consul-k8s", "Update", "f:b")),
        (entry("kubectl-edit", "Update", "f:a", subresource="status"),),
        (entry("pulumi-kubernetes-other", "Apply", "f:a"),),
    ],
)
def test_what_others_own_stays_theirs(entries: tuple[dict[str, Any], ...]) -> None:
    assert taken_over(live(*entries), "ours") is None


def test_an_object_is_taken_for_ours_until_its_first_update() -> None:
    assert made_by_us(live())
    assert made_by_us(live(entry("pulumi-kubernetes")))
    assert not made_by_us(live(entry("pulumi-kubernetes-1234", "Apply"), entry("kubectl-edit")))


def test_each_object_has_a_manager_of_its_own() -> None:
    assert new_manager().startswith("pulumi-kubernetes-")
    assert new_manager() != new_manager()
