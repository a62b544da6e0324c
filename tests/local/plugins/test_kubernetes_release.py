"""What becomes of a Helm release when the API server goes away while `helm` is at work."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

import pytest
from pulumi.provider.experimental import provider as api
from pulumi.provider.experimental.property_value import PropertyValue

from posture.local.plugins.kubernetes_release import ReleaseProvider
from posture.local.plugins.property_values import plain, properties
from posture.local.plugins.provider_server import Failure, Unfinished

if TYPE_CHECKING:
    from posture.local.plugins.kubernetes_helm import Helm

URN = "urn:pulumi:dev::p::kubernetes:helm.sh/v3:Release::consul"
INPUTS = {"name": "consul", "namespace": "mesh", "chart": "consul", "version": "2.0.3"}
AWAY = Failure("helm get: no answer")


class Scripted:
    """A `helm` that finds one thing after another, and fails at what it does if it is told so."""

    def __init__(self, *found: dict[str, Any] | Failure | None, fails: str = "") -> None:
        self._found, self._fails = list(found), fails
        self.done: list[str] = []

    async def find(self, _: object) -> dict[str, Any] | None:
        found = self._found.pop(0)
        if isinstance(found, Failure):
            raise found
        return found

    async def install(self, _: object) -> None:
        self._do("install")

    async def upgrade(self, _: object) -> None:
        self._do("upgrade")

    def _do(self, command: str) -> None:
        self.done.append(command)
        if self._fails:
            raise Failure(f"helm {command}: {self._fails}")


def revision(number: int, status: str) -> dict[str, Any]:
    return {"manifest": "", "values": {}, "revision": number, "status": status, "version": "2.0.3"}


def inputs() -> dict[str, PropertyValue]:
    values = {"key": PropertyValue("a-gossip-key").with_secret(True)}  # noqa: FBT003 - the SDK's signature
    return {**properties(INPUTS), "values": PropertyValue(values)}


def provider_with(helm: Scripted) -> ReleaseProvider:
    provider = ReleaseProvider({})
    provider._helm = cast("Helm", helm)
    return provider


def create(helm: Scripted) -> api.CreateResponse:
    return asyncio.run(provider_with(helm).create(api.CreateRequest(URN, inputs(), 0, preview=False)))


def update(helm: Scripted) -> api.UpdateResponse:
    request = api.UpdateRequest(URN, "mesh/consul", {}, inputs(), 0, [], preview=False)
    return asyncio.run(provider_with(helm).update(request))


def test_a_release_is_kept_though_nobody_can_say_whether_it_was_made() -> None:
    with pytest.raises(Unfinished, match="Helm release mesh/consul may be there: helm install: lost at ") as raised:
        create(Scripted(None, AWAY, fails="lost at a-gossip-key"))
    assert "a-gossip-key" not in str(raised.value)
    assert raised.value.resource_id == "mesh/consul"
    state = plain(raised.value.state)
    assert (state["status"]["status"], state["__inputs"]["chart"]) == ("unknown", "consul")


def test_a_release_that_was_not_made_is_not_kept() -> None:
    with pytest.raises(Failure, match=r"^helm install: no") as raised:
        create(Scripted(None, None, fails="no"))
    assert not isinstance(raised.value, Unfinished)


def test_an_upgrade_that_nobody_can_tell_the_end_of_leaves_what_was_kept_as_it_was() -> None:
    with pytest.raises(Failure, match=r"^helm upgrade: no answer") as raised:
        update(Scripted(revision(1, "deployed"), AWAY, fails="no answer"))
    assert not isinstance(raised.value, Unfinished)


@pytest.mark.parametrize(
    ("before", "done"),
    [(None, ["install"]), (revision(1, "failed"), ["upgrade"]), (revision(3, "deployed"), ["upgrade"])],
)
def test_what_is_kept_and_is_not_there_is_installed(before: dict[str, Any] | None, done: list[str]) -> None:
    helm = Scripted(before, revision(4, "deployed"))
    assert plain(update(helm).properties or {})["status"]["status"] == "deployed"
    assert helm.done == done


@pytest.mark.parametrize(("status", "command"), [("pending-install", "uninstall"), ("pending-upgrade", "rollback")])
def test_how_to_end_what_was_cut_off_is_said(status: str, command: str) -> None:
    helm = Scripted(revision(1, status))
    said = rf"is {status}: .*: helm {command} consul --namespace mesh --kube-context "
    with pytest.raises(Failure, match=said) as raised:
        update(helm)
    assert not isinstance(raised.value, Unfinished)
    assert helm.done == []
