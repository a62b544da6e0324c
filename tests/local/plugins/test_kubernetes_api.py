"""Which of an API server's refusals are for want of permission: all of them are 403."""

from __future__ import annotations

import pytest

from posture.local.plugins.kubernetes_api import Refusal

AUTHORIZERS = (
    'configmaps is forbidden: User "ci" cannot create resource "configmaps" in API group "" in the namespace "shop"',
    'services "a" is forbidden: User "ci" cannot patch resource "services" in API group "" at the cluster scope: why',
    'gateways.gateway.networking.k8s.io is forbidden: User "system:serviceaccount:ci:bot" cannot create resource "g"',
    'configmaps is forbidden: User "a \\"b\\" c" cannot create resource "configmaps" in API group ""',
)
OTHERS = (
    'services "details" is forbidden: exceeded quota: few, requested: services=1',
    'admission webhook "validation.gatekeeper.sh" denied the request: [labels] you must provide labels: {"team"}',
    'admission webhook "theirs" denied the request: configmaps is forbidden: User "ci" cannot create resource "a"',
    "serviceaccounts \"a\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no",
    'pods "a" is forbidden: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false',
    'roles.rbac.authorization.k8s.io "a" is forbidden: user "ci" (groups=["b"]) is attempting to grant RBAC rights',
    'services "details" is forbidden: unable to create new content in namespace shop because it is being terminated',
    "",
)


@pytest.mark.parametrize("message", AUTHORIZERS)
def test_an_authorizers_refusal_is_for_want_of_permission(message: str) -> None:
    assert Refusal("can't create", 403, {"message": message, "reason": "Forbidden"}).lacks_permission
    assert not Refusal("can't create", 422, {"message": message}).lacks_permission


@pytest.mark.parametrize("message", OTHERS)
def test_what_quotas_webhooks_and_policies_refuse_is_not(message: str) -> None:
    assert not Refusal("can't create", 403, {"message": message, "reason": "Forbidden"}).lacks_permission
