"""What becomes of an object when the API server goes away just after it has made it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

import pytest
from pulumi.provider.experimental import provider as api

from posture.local.plugins.kubernetes_api import Unreachable
from posture.local.plugins.kubernetes_provider import KubernetesProvider
from posture.local.plugins.property_values import plain, properties
from posture.local.plugins.provider_server import Unfinished

if TYPE_CHECKING:
    from posture.local.plugins.kubernetes_api import Cluster

URN = "urn:pulumi:dev::p::kubernetes:apps/v1:Deployment::details"
INPUTS = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "details", "namespace": "n"}, "spec": {}}


class Away:
    """Makes an object, and answers nothing after that."""

    stopping = False

    async def create(self, inputs: dict[str, Any], *_: object, **__: object) -> dict[str, Any]:
        return {**inputs, "metadata": {**inputs["metadata"], "uid": "1", "generation": 1}}

    async def get(self, _: object) -> dict[str, Any]:
        raise Unreachable("no answer")


def test_what_was_made_is_kept_whoever_cannot_be_asked_how_it_is() -> None:
    provider = KubernetesProvider({})
    provider._cluster, provider._unreachable = cast("Cluster", Away()), ""
    with pytest.raises(Unfinished, match="no answer") as raised:
        asyncio.run(provider.create(api.CreateRequest(URN, properties(INPUTS), 5, preview=False)))
    assert raised.value.resource_id == "n/details"
    assert plain(raised.value.state)["metadata"]["uid"] == "1"
