"""What becomes of an object when the API server goes away just after it has made it, or refuses it in a preview."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

import pytest
from pulumi.provider.experimental import provider as api

from posture.local.plugins.kubernetes_api import Refusal, Unreachable
from posture.local.plugins.kubernetes_object import Checkpoint, checkpoint
from posture.local.plugins.kubernetes_provider import KubernetesProvider
from posture.local.plugins.property_values import plain, properties
from posture.local.plugins.provider_server import Failure, Unfinished

if TYPE_CHECKING:
    from posture.local.plugins.kubernetes_api import Cluster

URN = "urn:pulumi:dev::p::kubernetes:apps/v1:Deployment::details"
INPUTS = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "details", "namespace": "n"}, "spec": {}}
NO_PERMISSION = 'deployments.apps is forbidden: User "ci" cannot create resource "deployments" in API group "apps"'
NO_QUOTA = 'deployments.apps "details" is forbidden: exceeded quota: few, requested: count/deployments.apps=1'


class Away:
    """Makes an object, and answers nothing after that."""

    stopping = False

    async def create(self, inputs: dict[str, Any], *_: object, **__: object) -> dict[str, Any]:
        return {**inputs, "metadata": {**inputs["metadata"], "uid": "1", "generation": 1}}

    async def get(self, _: object) -> dict[str, Any]:
        raise Unreachable("no answer")


class Refusing:
    """Has the object, and answers all that would change it by a refusal."""

    def __init__(self, words: str) -> None:
        self._refusal = Refusal("can't", 403, {"message": words, "reason": "Forbidden"})

    async def kind(self, *_: object) -> str:
        return "there is one"

    async def get(self, _: object) -> dict[str, Any]:
        return {**INPUTS}

    async def create(self, *_: object, **__: object) -> None:
        raise self._refusal

    apply = create


def provider_with(cluster: object) -> KubernetesProvider:
    provider = KubernetesProvider({})
    provider._cluster, provider._unreachable = cast("Cluster", cluster), ""
    return provider


def preview(words: str, how: str) -> Any:
    """What a preview says of the object that is to be made or changed."""
    provider, news, live = provider_with(Refusing(words)), properties(INPUTS), {**INPUTS, "spec": {"replicas": 2}}
    if how == "create":
        return asyncio.run(provider.create(api.CreateRequest(URN, news, 5, preview=True)))
    olds = checkpoint(Checkpoint(INPUTS, live, "pulumi"), {})
    return asyncio.run(provider.update(api.UpdateRequest(URN, "n/details", olds, news, 5, [], preview=True)))


@pytest.mark.parametrize("how", ["create", "update"])
def test_a_preview_by_who_may_not_write_goes_on(how: str) -> None:
    assert plain(preview(NO_PERMISSION, how).properties) == INPUTS


@pytest.mark.parametrize("how", ["create", "update"])
def test_a_preview_stops_at_what_a_quota_refuses(how: str) -> None:
    with pytest.raises(Failure, match=r"exceeded quota: few, .* \(HTTP 403\)"):
        preview(NO_QUOTA, how)


def test_what_was_made_is_kept_whoever_cannot_be_asked_how_it_is() -> None:
    provider = provider_with(Away())
    with pytest.raises(Unfinished, match="no answer") as raised:
        asyncio.run(provider.create(api.CreateRequest(URN, properties(INPUTS), 5, preview=False)))
    assert raised.value.resource_id == "n/details"
    assert plain(raised.value.state)["metadata"]["uid"] == "1"
