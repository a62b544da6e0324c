"""The provider plugin `kubernetes`, for the objects of a cluster, where the official one is absent.

It has the official plugin's inputs, outputs, ids, differences and waits (as read after pulumi-kubernetes 4.32.0), and
is stricter in two places: a field that an object's schema doesn't know is refused, where the official plugin has the
API server drop it; and what quotas, webhooks and policies refuse stops a preview, where the official plugin takes each
403 of a dry run for want of permission. Kinds that it has rules for which aren't written here are refused as well.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from pulumi.errors import InputPropertiesError
from pulumi.provider.experimental import provider as api
from pulumi.runtime.proto import provider_pb2

from posture.local.plugins import kubernetes_await, kubernetes_diff, kubernetes_object, kubernetes_owners
from posture.local.plugins.kubernetes_access import access, active_cluster, flag
from posture.local.plugins.kubernetes_api import NO_KIND, Cluster, Refusal, Unreachable
from posture.local.plugins.kubernetes_limits import (
    known_type,
    mistakes,
    official_only,
    refuse_ignored,
    unknown_options,
)
from posture.local.plugins.kubernetes_object import Checkpoint, annotation, checkpoint, name_of, normal, restore
from posture.local.plugins.property_values import has_unknown, plain, properties_like
from posture.local.plugins.provider_server import Failure, Unfinished, warn

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pulumi.provider.experimental.property_value import PropertyValue

__all__ = ["KubernetesProvider"]

# The SDK passes a provider's changes on as they are, so these are the protocol's numbers, not booleans.
_NO_CHANGE: Any = provider_pb2.DiffResponse.DIFF_NONE
_CHANGE: Any = provider_pb2.DiffResponse.DIFF_SOME
_RETRIES = (1, 2, 4, 8, 16)  # seconds before each: a namespace or a CRD may be on its way


class KubernetesProvider(api.Provider):
    """Answers the engine's questions about the objects of one cluster.

    Inputs are an object as in YAML. Its id is `NAMESPACE/NAME`, or `NAME` where it has no namespace; by that it is
    imported.

    Args:
        environment: Where `KUBECONFIG` and `HOME` are looked up.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._options: dict[str, Any] = {}
        self._cluster: Cluster | None = None
        self._unreachable = "the kubernetes provider was not configured; run this through pulumi"
        self._warned = False
        self._namespace = ""
        self._mutable: frozenset[str] = frozenset()

    async def check_config(self, request: api.CheckRequest) -> api.CheckResponse:
        """Refuse the settings that only the official plugin knows."""
        return api.CheckResponse(request.new_inputs, unknown_options(plain(request.new_inputs)))

    async def diff_config(self, request: api.DiffRequest) -> api.DiffResponse:
        """Another cluster replaces all that is in it, unless `clusterIdentifier` says that it is the same."""
        old, new = plain(request.old_state), plain(request.new_inputs)
        changed = sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))
        where = [key for key in ("kubeconfig", "context", "cluster") if key in changed]
        if not changed:
            return api.DiffResponse(_NO_CHANGE)
        replaces = where
        if old.get("clusterIdentifier") and new.get("clusterIdentifier"):
            replaces = ["clusterIdentifier"] if "clusterIdentifier" in changed else []
        elif where and not any(has_unknown(new.get(key)) for key in where):
            clusters = [active_cluster(options, self._environment) for options in (old, new)]
            replaces = where if None not in clusters and clusters[0] != clusters[1] else []
        return api.DiffResponse(_CHANGE, replaces=replaces, diffs=changed)

    async def configure(self, request: api.ConfigureRequest) -> api.ConfigureResponse:
        """Find the cluster; one that can't be reached stops nothing yet, for a preview can do without."""
        self._options = plain(request.args)
        kinds = {"ConfigMap": "enableConfigMapMutable", "Secret": "enableSecretMutable"}
        self._mutable = frozenset(kind for kind, option in kinds.items() if flag(self._options, option))
        try:
            client, self._namespace = access(self._options, self._environment)
            self._cluster = Cluster(client)
            await self._cluster.probe()
            self._unreachable = ""
        except Failure as failure:
            self._unreachable = str(failure)
        return api.ConfigureResponse(accept_secrets=True, supports_preview=True)

    async def check(self, request: api.CheckRequest) -> api.CheckResponse:
        """Refuse what isn't ours to handle; fill in the namespace, and give the inputs their normal form."""
        api_version, kind = known_type(request.type)
        inputs = normal(plain(request.new_inputs))
        failures = mistakes(inputs)
        if not failures and self._namespace and not inputs["metadata"].get("namespace") and not self._unreachable:
            found = await self._connected.kind(api_version, kind)
            if found is None or found.namespaced:
                inputs["metadata"]["namespace"] = self._namespace
        return api.CheckResponse(properties_like(inputs, request.new_inputs), failures)

    async def diff(self, request: api.DiffRequest) -> api.DiffResponse:
        """Compare the inputs with the object as it was last seen."""
        refuse_ignored(request.ignore_changes)
        old, new = restore(request.old_state), normal(plain(request.new_inputs))
        known = {"metadata": {}, **kubernetes_object.pruned(old.live, normal(old.inputs))}
        before, after = known["metadata"], new["metadata"]
        before["name"] = old.live["metadata"]["name"]
        if namespace := old.live["metadata"].get("namespace"):
            before["namespace"] = namespace
            after.setdefault("namespace", "default")
        else:
            after.pop("namespace", None)
        found = kubernetes_diff.differences(known, new, mutable=self._mutable)
        replaces = [path for path, how in found.items() if kubernetes_diff.needs_replacement(how)]
        same_place = not {"metadata.name", "metadata.namespace"} & found.keys()
        deleted = api.PropertyDiffKind.DELETE
        return api.DiffResponse(
            changes=bool(found),
            replaces=replaces,
            delete_before_replace=bool(replaces) and same_place,
            detailed_diff={path: api.PropertyDiff(how, input_diff=how is deleted) for path, how in found.items()},
        )

    async def create(self, request: api.CreateRequest) -> api.CreateResponse:
        """Create the object and wait for it; in a preview, have the API server say what it would do."""
        inputs = plain(request.properties)
        if request.preview and not await self._can_preview(request.urn, inputs):
            return api.CreateResponse(properties=request.properties)
        try:
            live = await self._create(inputs, dry=request.preview)
        except Refusal as refusal:
            if request.preview and _says_nothing(refusal):
                return api.CreateResponse(properties=request.properties)
            if refusal.reason == "AlreadyExists":
                how = "pulumi import it, or have its owner delete it"
                raise Failure(f"{refusal}; it is not this stack's: {how}") from refusal
            raise
        state = Checkpoint(inputs, live, kubernetes_owners.new_manager())
        if request.preview:
            live.pop("status", None)
            return api.CreateResponse(properties=checkpoint(state, request.properties))
        return api.CreateResponse(_id(live), await self._ready(state, request.properties, request.timeout))

    async def update(self, request: api.UpdateRequest) -> api.UpdateResponse:
        """Apply the inputs to the object and wait for it; in a preview, have the API server say what it would do."""
        refuse_ignored(request.ignore_changes)
        inputs, old = normal(plain(request.news)), restore(request.olds)
        if request.preview and not await self._can_preview(request.urn, inputs):
            return api.UpdateResponse(request.news)
        live = await self._connected.get(old.live)
        if live is None:
            raise Failure(f"can't update {name_of(old.live)}: it is gone; run pulumi refresh")
        manager = old.manager or kubernetes_owners.new_manager()
        try:
            answer = await self._apply(inputs, live, manager, dry=request.preview)
        except Refusal as refusal:
            if request.preview and refusal.lacks_permission:
                return api.UpdateResponse(request.news)
            conflict = refusal.code == HTTPStatus.CONFLICT
            hint = "; to take the field over, annotate the object pulumi.com/patchForce: 'true'" if conflict else ""
            if request.preview:
                raise Failure(f"{refusal}{hint}") from refusal
            kept = checkpoint(Checkpoint(inputs, live, manager), request.news)
            raise Unfinished(f"{refusal}{hint}", _id(live), kept) from refusal
        state = Checkpoint(inputs, answer, manager)
        if request.preview:
            return api.UpdateResponse(checkpoint(state, request.news))
        return api.UpdateResponse(await self._ready(state, request.news, request.timeout))

    async def read(self, request: api.ReadRequest) -> api.ReadResponse:
        """Read the object for a refresh or an import; without an id in the answer, the engine takes it for gone."""
        api_version, kind = known_type(request.type)
        if self._unreachable and flag(self._options, "deleteUnreachable"):
            return api.ReadResponse()
        old, inputs = restore(request.properties), normal(plain(request.inputs))
        namespace, _, name = request.resource_id.rpartition("/")
        place = {"name": name} | ({"namespace": namespace} if namespace else {})
        live = await self._connected.get(
            {"apiVersion": inputs.get("apiVersion", api_version), "kind": kind, "metadata": place}
        )
        if live is None:
            return api.ReadResponse()
        seen = kubernetes_object.pruned(live, inputs) if inputs else kubernetes_object.inputs_of(live)
        state = checkpoint(Checkpoint(seen, live, old.manager or kubernetes_owners.new_manager()), request.inputs)
        answer = properties_like(seen, request.inputs)
        if inputs and annotation(inputs, "skipAwait") != "true" and not annotation(inputs, "waitFor"):
            why = await kubernetes_await.unready(self._connected, live)
            if why:
                raise Unfinished(f"{name_of(live)} is not ready: {why}", request.resource_id, state, answer)
        return api.ReadResponse(request.resource_id, state, answer)

    async def delete(self, request: api.DeleteRequest) -> None:
        """Delete the object, if the cluster still has it, and wait until it is gone."""
        if self._unreachable and flag(self._options, "deleteUnreachable"):
            return
        old = restore(request.properties)
        until = kubernetes_await.deadline(request.timeout, old.inputs)
        wanted = annotation(old.inputs, "deletionPropagationPolicy").capitalize()
        try:
            await self._connected.delete(old.live, wanted if wanted in {"Orphan", "Background"} else "Foreground")
        except Refusal as refusal:
            if refusal.code == HTTPStatus.NOT_FOUND:
                return
            raise
        await kubernetes_await.until_gone(self._connected, old.inputs, old.live, until)

    async def invoke(self, request: api.InvokeRequest) -> api.InvokeResponse:
        """Refuse: functions are the official plugin's."""
        raise official_only(request.tok)

    async def construct(self, request: api.ConstructRequest) -> api.ConstructResponse:
        """Refuse: components are the official plugin's."""
        raise InputPropertiesError(str(official_only(request.resource_type)), [])  # to which the SDK adds no traceback

    async def cancel(self) -> None:
        """Wait for nothing any more; what was begun is kept as not finished."""
        if self._cluster is not None:
            self._cluster.stopping = True

    @property
    def _connected(self) -> Cluster:
        if self._cluster is None or self._unreachable:
            raise Unreachable(f"the configured cluster is unreachable: {self._unreachable}")
        return self._cluster

    async def _can_preview(self, urn: str, inputs: Mapping[str, Any]) -> bool:
        """Tell whether the API server can be asked about inputs: it is there, they are known, and so is their kind."""
        if self._unreachable and not self._warned:
            self._warned = True
            await warn(urn, f"the configured cluster is unreachable, so nothing is checked there: {self._unreachable}")
        if self._unreachable or has_unknown(inputs):
            return False
        return await self._connected.kind(inputs["apiVersion"], inputs["kind"]) is not None

    async def _create(self, inputs: Mapping[str, Any], *, dry: bool) -> dict[str, Any]:
        for pause in () if dry else _RETRIES:
            try:
                return await self._connected.create(inputs, kubernetes_owners.CREATOR, dry=dry)
            except Refusal as refusal:
                if refusal.code != HTTPStatus.NOT_FOUND or self._connected.stopping:
                    raise
                await asyncio.sleep(pause)
        return await self._connected.create(inputs, kubernetes_owners.CREATOR, dry=dry)

    async def _apply(
        self, inputs: Mapping[str, Any], live: Mapping[str, Any], manager: str, *, dry: bool
    ) -> dict[str, Any]:
        force = annotation(inputs, "patchForce") == "true" or flag(self._options, "enablePatchForce")
        owners = kubernetes_owners.taken_over(live, manager)
        if owners and not dry:
            change = {"op": "replace", "path": "/metadata/managedFields", "value": owners}
            live = await self._connected.patch(live, [change])
        force = force or (kubernetes_owners.made_by_us(live) if dry else not live["metadata"].get("managedFields"))
        return await self._connected.apply(inputs, manager, force=force, dry=dry)

    async def _ready(
        self, state: Checkpoint, source: Mapping[str, PropertyValue], seconds: float
    ) -> dict[str, PropertyValue]:
        until = kubernetes_await.deadline(seconds, state.inputs)
        try:
            live = await kubernetes_await.until_ready(self._connected, state.inputs, state.live, until)
        except Failure as failure:
            live = state.live
            with suppress(Failure):  # what was made is kept, whoever can't be asked how it is
                live = await self._connected.get(state.live) or live
            kept = checkpoint(state._replace(live=live), source)
            raise Unfinished(str(failure), _id(state.live), kept) from failure
        return checkpoint(state._replace(live=live), source)


def _says_nothing(refusal: Refusal) -> bool:
    """Tell whether a refused dry run is no sign that the real request will be: what is missing or there may change.

    Who previews need not be who may write.
    """
    no_namespace = refusal.code == HTTPStatus.NOT_FOUND and refusal.details.get("kind") == "namespaces"
    return refusal.lacks_permission or refusal.reason in {"AlreadyExists", NO_KIND} or no_namespace


def _id(live: Mapping[str, Any]) -> str:
    return name_of(live).partition(" ")[2]
