"""Helm releases in the stand-in for the kubernetes plugin: `kubernetes:helm.sh/v3:Release`.

Inputs, state, ids and differences are the official plugin's (pulumi-kubernetes 4.32.0, helm_release.go), for the inputs
that are known here; others are refused, unless they say what goes without saying. A release is not imported.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import yaml
from pulumi.provider.experimental import provider as api
from pulumi.provider.experimental.property_value import PropertyValue

from posture.local.plugins import kubernetes_diff
from posture.local.plugins.kubernetes_helm import TIMEOUT, Helm
from posture.local.plugins.kubernetes_limits import official_only, refuse_ignored
from posture.local.plugins.kubernetes_object import pruned
from posture.local.plugins.kubernetes_provider import KubernetesProvider
from posture.local.plugins.locate import KUBERNETES_VERSION
from posture.local.plugins.property_values import UNKNOWN, has_unknown, plain, properties_like, secret_texts
from posture.local.plugins.provider_server import Failure, Unfinished, serve

if TYPE_CHECKING:
    from collections.abc import Mapping

    from posture.local.plugins.kubernetes_helm import Release

    Properties = dict[str, PropertyValue]

__all__ = ["ReleaseProvider", "main"]

_TYPE = "kubernetes:helm.sh/v3:Release"
_COMPARED_AS = {"apiVersion": "helm.sh/v3", "kind": "Release"}
_DROPPED = frozenset({"compat", "manifest", "resourceNames"})  # by the official plugin too
_KNOWN = frozenset({"chart", "name", "namespace", "repositoryOpts", "timeout", "values", "version"})
_KNOWN_FLAGS = dict.fromkeys(("atomic", "skipAwait", "waitForJobs"), False)
_REST: dict[str, object] = {
    **dict.fromkeys(("allowNullValues", "cleanupOnFail", "createNamespace", "dependencyUpdate", "devel"), False),
    **dict.fromkeys(("disableCRDHooks", "disableOpenapiValidation", "disableWebhooks", "forceUpdate"), False),
    **dict.fromkeys(("lint", "recreatePods", "renderSubchartNotes", "replace", "resetValues", "reuseValues"), False),
    **dict.fromkeys(("skipCrds", "takeOwnership", "verify"), False),
    **dict.fromkeys(("description", "keyring", "postrender"), ""),
}
"""The inputs that only the official plugin knows, and what they are when nobody says anything."""

_UNSEEN = {"manifest": "", "values": {}, "revision": 0, "status": "unknown"}
"""What is kept of a release of which nobody could say how it is; a refresh tells."""

_WAYS_OUT = {"pending-install": "uninstall", "pending-upgrade": "rollback", "pending-rollback": "rollback"}
"""The commands of Helm that end what it had begun when it was cut off; until then it refuses to upgrade."""


class ReleaseProvider(KubernetesProvider):
    """Answers the engine's questions about releases by `helm`, and those about objects as its base does.

    A release's id is `NAMESPACE/NAME`.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        super().__init__(environment)
        self._helm = Helm({}, environment)

    async def configure(self, request: api.ConfigureRequest) -> api.ConfigureResponse:
        """Find the cluster."""
        response = await super().configure(request)
        self._helm = Helm(self._options, self._environment)
        return response

    async def check(self, request: api.CheckRequest) -> api.CheckResponse:
        """Refuse what isn't ours to handle; fill in what goes without saying, and the version that the chart has."""
        if not _is_release(request.urn):
            return await super().check(request)
        given = plain(request.new_inputs)
        given = {key: value for key, value in given.items() if value is not None and key not in _DROPPED}
        inputs: Release = {**_REST, **_KNOWN_FLAGS, "values": {}, **given}
        inputs["namespace"] = inputs.get("namespace") or self._namespace
        if not inputs["skipAwait"]:
            inputs.setdefault("timeout", TIMEOUT)
        known = _KNOWN | _KNOWN_FLAGS.keys()
        unknown = [key for key, value in inputs.items() if key not in known and value != _REST.get(key, UNKNOWN)]
        options = inputs.get("repositoryOpts") or {}
        unknown += [f"repositoryOpts.{key}" for key, value in options.items() if key != "repo" and value]
        failures = [api.CheckFailure(key, str(official_only(f"{key} of a Release"))) for key in sorted(unknown)]
        failures += [
            api.CheckFailure(key, f"give the release a {key}") for key in ("name", "chart") if key not in inputs
        ]
        if not failures and not has_unknown(inputs):
            try:
                inputs["version"] = (await self._helm.chart(inputs))["version"]
            except Failure as failure:
                words = f"{failure}; check the chart's name and repository"
                failures.append(api.CheckFailure("chart", words))
        return api.CheckResponse(properties_like(inputs, request.new_inputs), failures)

    async def diff(self, request: api.DiffRequest) -> api.DiffResponse:
        """Compare the inputs with the release as it was last seen, of which the values may differ from what we gave."""
        if not _is_release(request.urn):
            return await super().diff(request)
        refuse_ignored(request.ignore_changes)
        old = plain(request.old_state)
        known = pruned(old, old.pop("__inputs", {}))
        found = kubernetes_diff.differences(known | _COMPARED_AS, plain(request.new_inputs) | _COMPARED_AS)
        deleted = api.PropertyDiffKind.DELETE
        return api.DiffResponse(
            changes=bool(found),
            replaces=[path for path, how in found.items() if kubernetes_diff.needs_replacement(how)],
            detailed_diff={path: api.PropertyDiff(how, input_diff=how is deleted) for path, how in found.items()},
        )

    async def create(self, request: api.CreateRequest) -> api.CreateResponse:
        """Install the release, unless another has its name; a preview does nothing."""
        if not _is_release(request.urn):
            return await super().create(request)
        release = plain(request.properties)
        if request.preview:
            return api.CreateResponse(properties=_preview(request.properties))
        if await self._helm.find(release):
            raise Failure(
                f"there is a Helm release {_id(release)} that is not this stack's; have its owner uninstall it"
            )
        try:
            await self._helm.install(release)
        except Failure as failure:
            await self._give_up(release, request.properties, failure, since=0, kept=False)
        return api.CreateResponse(_id(release), await self._state(release, request.properties))

    async def update(self, request: api.UpdateRequest) -> api.UpdateResponse:
        """Upgrade the release in place, one that has failed too, or install it anew; a preview does nothing."""
        if not _is_release(request.urn):
            return await super().update(request)
        refuse_ignored(request.ignore_changes)
        release = plain(request.news)
        if request.preview:
            return api.UpdateResponse(_preview(request.news))
        before = await self._helm.find(release)
        if before and before["status"] in _WAYS_OUT:
            raise self._cut_off(release, before["status"])
        try:
            await (self._helm.upgrade(release) if before else self._helm.install(release))
        except Failure as failure:
            since = before["revision"] if before else 0
            await self._give_up(release, request.news, failure, since=since, kept=True)
        return api.UpdateResponse(await self._state(release, request.news))

    async def read(self, request: api.ReadRequest) -> api.ReadResponse:
        """Look at the release for a refresh; without an id in the answer, the engine takes it for gone."""
        if not _is_release(request.urn):
            return await super().read(request)
        if not request.inputs:
            raise official_only("the import of a Helm release")
        release = plain(request.inputs)
        found = await self._helm.find(release)
        if found is None:
            return api.ReadResponse()
        return api.ReadResponse(request.resource_id, _checkpoint(release, found, request.inputs), request.inputs)

    async def delete(self, request: api.DeleteRequest) -> None:
        """Uninstall the release, if the cluster still has it, and wait until what it had made is gone."""
        if not _is_release(request.urn):
            await super().delete(request)
            return
        await self._helm.uninstall(plain(request.properties))

    async def cancel(self) -> None:
        """Wait for nothing any more."""
        await super().cancel()
        self._helm.stop()

    def _cut_off(self, release: Release, status: str) -> Failure:
        command = f"helm {_WAYS_OUT[status]} {release['name']} --namespace {release['namespace']}"
        return Failure(
            f"Helm release {_id(release)} is {status}: another helm is at work on it, or one was cut off; then end "
            f"what it began: {command} --kube-context {self._options.get('context')}, and run this again"
        )

    async def _state(self, release: Release, source: Properties) -> Properties:
        try:
            found = await self._helm.find(release)
        except Failure as failure:
            raise _unseen(release, source, f"is there, unseen: {failure}") from None
        if found is None:
            raise Failure(f"Helm release {_id(release)} was made, but is gone; run pulumi refresh")
        return _checkpoint(release, found, source)

    async def _give_up(self, release: Release, source: Properties, why: Failure, *, since: int, kept: bool) -> None:
        """Raise what went wrong; a release of which there is a revision after `since` is kept as unfinished.

        So is one of which nobody can say whether it is there, unless the engine has `kept` it already.
        """
        words = str(why)
        for secret in sorted(secret_texts(source), key=len, reverse=True):
            words = words.replace(secret, "[secret]")
        try:
            found = await self._helm.find(release)
        except Failure:
            raise (Failure(words) if kept else _unseen(release, source, f"may be there: {words}")) from None
        if found is None or found["revision"] <= since:
            raise Failure(words) from None
        state = _checkpoint(release, found, source)
        raise Unfinished(f"Helm release {_id(release)} is there, but {found['status']}: {words}", _id(release), state)


def _unseen(release: Release, source: Properties, words: str) -> Unfinished:
    state = _checkpoint(release, {**_UNSEEN, "version": release["version"]}, source)
    return Unfinished(f"Helm release {_id(release)} {words}", _id(release), state)


def _checkpoint(release: Release, found: dict[str, Any], source: Properties) -> Properties:
    """Put a state together: the inputs as the cluster has them, what there is, and what was asked for."""
    status = {key: found.get(key, "") for key in ("appVersion", "chart", "name", "namespace", "revision", "status")}
    names: dict[str, list[str]] = {}
    for each in yaml.safe_load_all(found["manifest"]):
        if each:
            group = each["apiVersion"].rpartition("/")[0]
            place = filter(None, (each["metadata"].get("namespace"), each["metadata"]["name"]))
            kind = f"{each['kind']}.{group}" if group else each["kind"]
            names.setdefault(f"{kind}/{each['apiVersion']}", []).append("/".join(place))
    live = {
        **release,
        "resourceNames": names,
        "status": {**status, "version": found["version"]},
        "values": _merged(release["values"], found["values"]),
        "version": found["version"],
    }
    inputs = PropertyValue(properties_like(release, source)).with_secret(True)  # noqa: FBT003 - the SDK's signature
    return {**properties_like(live, source), "__inputs": inputs}


def _preview(inputs: Properties) -> Properties:
    return {**inputs, "resourceNames": UNKNOWN, "status": UNKNOWN}


def _merged(asked: Mapping[str, Any], live: Mapping[str, Any]) -> dict[str, Any]:
    """Lay the values that a release has over those that it was asked for, of which Helm keeps no null."""
    merged = dict(asked)
    for key, value in live.items():
        both_maps = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merged(merged[key], value) if both_maps else value
    return merged


def _is_release(urn: str) -> bool:
    return urn.split("::")[-2].rpartition("$")[2] == _TYPE  # a URN's type is qualified by its parents'


def _id(release: Release) -> str:
    return f"{release['namespace']}/{release['name']}"


def main() -> None:
    """Serve the provider to the engine that started this process."""
    serve(ReleaseProvider(os.environ), KUBERNETES_VERSION)
