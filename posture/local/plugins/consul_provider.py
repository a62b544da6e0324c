"""The provider plugin `consul`, for `consul.ConfigEntry` alone, where the official one is absent.

It has the official plugin's inputs, outputs, ids and differences (pulumi-consul 3.15.2, which bridges
terraform-provider-consul's `consul_config_entry`): the state holds what Consul answers, so a field that Consul
fills in and the program leaves out is a difference.

The engine is told that we take no secrets: it then hands us plain values and marks the outputs of secret inputs
itself (pulumi/sdk v3.259.0, go/common/resource/plugin/provider_plugin.go, `annotateSecrets`).
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from pulumi.provider.experimental import provider as api
from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.runtime.rpc import UNKNOWN

from posture.local.plugins import entry_json
from posture.local.plugins.consul_http import Consul, settings
from posture.local.plugins.entry_json import EntryId
from posture.local.plugins.locate import CONSUL_VERSION
from posture.local.plugins.provider_server import Failure, serve

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ConsulProvider", "main"]

_TYPE = "consul:index/configEntry:ConfigEntry"
_CONFIG = "configJson"
_OFFICIAL_ONLY = ("authJwt", "authLoginAws", "certPem", "keyPem")
_INSTALL = f"install the official plugin: pulumi plugin install resource consul {CONSUL_VERSION}"
_PARTS_OF_AN_ID, _PARTS_OF_A_FULL_ID = 2, 4


class ConsulProvider(api.Provider):
    """Answers the engine's questions about config entries.

    Inputs and outputs of an entry are texts: `kind`, `name`, `configJson` (a JSON map in Consul's words), and on
    Consul Enterprise `namespace` and `partition`. Its id is `KIND-NAME`; it is imported as `KIND/NAME` or
    `PARTITION/NAMESPACE/KIND/NAME`.

    Args:
        environment: Where `CONSUL_*` variables are looked up.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._consul: Consul | None = None

    async def check_config(self, request: api.CheckRequest) -> api.CheckResponse:
        """Refuse the settings that only the official plugin knows."""
        return api.CheckResponse(
            inputs=request.new_inputs,
            failures=[
                api.CheckFailure(key, f"not known to this stand-in for the consul plugin; {_INSTALL}")
                for key in _OFFICIAL_ONLY
                if key in request.new_inputs
            ],
        )

    async def configure(self, request: api.ConfigureRequest) -> api.ConfigureResponse:
        """Note how to reach Consul; nothing is connected yet."""
        explicit = {key: value.value for key, value in request.args.items()}
        self._consul = Consul(settings(explicit, self._environment))
        return api.ConfigureResponse(supports_preview=True)

    async def check(self, request: api.CheckRequest) -> api.CheckResponse:
        """Refuse what can't be an entry."""
        _entry_type(request.type)
        inputs = _texts(request.new_inputs)
        failures = [
            api.CheckFailure(key, f"{key} is missing; a ConfigEntry needs it")
            for key in ("kind", "name")
            if not inputs[key]
        ]
        if _CONFIG in request.new_inputs and not _json_map_or_unknown(inputs[_CONFIG]):
            failures.append(api.CheckFailure(_CONFIG, f"{_CONFIG} is not a JSON map; write it with json.dumps({{…}})"))
        return api.CheckResponse(inputs=request.new_inputs, failures=failures)

    async def diff(self, request: api.DiffRequest) -> api.DiffResponse:
        """Compare as the official plugin does; another identity replaces the entry."""
        old, new = _texts(request.old_state), _texts(request.new_inputs)
        kind = api.PropertyDiffKind
        moved = {key: kind.UPDATE_REPLACE for key in EntryId._fields if old[key] != new[key]}
        edited = {}
        if old[_CONFIG] != new[_CONFIG] and not entry_json.same(new["kind"], old[_CONFIG], new[_CONFIG]):
            edited[_CONFIG] = (kind.UPDATE if new[_CONFIG] else kind.DELETE) if old[_CONFIG] else kind.ADD
        return api.DiffResponse(
            changes=bool(moved or edited),
            replaces=list(moved),
            diffs=[*moved, *edited],
            delete_before_replace=bool(moved) and "name" not in moved,
            detailed_diff={key: api.PropertyDiff(how, input_diff=False) for key, how in (moved | edited).items()},
        )

    async def create(self, request: api.CreateRequest) -> api.CreateResponse:
        """Write the entry, then read it back: Consul's answer is the state."""
        if request.preview:
            return api.CreateResponse(properties=request.properties)
        texts = _texts(request.properties)
        return api.CreateResponse(f"{texts['kind']}-{texts['name']}", await self._write(texts))

    async def update(self, request: api.UpdateRequest) -> api.UpdateResponse:
        """Write the entry in place, then read it back."""
        if request.preview:
            return api.UpdateResponse(request.news)
        return api.UpdateResponse(await self._write(_texts(request.news)))

    async def read(self, request: api.ReadRequest) -> api.ReadResponse:
        """Read the entry for a refresh or an import; without an id in the answer, the engine takes it for gone."""
        _entry_type(request.type)
        texts = _texts(request.properties) if request.properties else _imported(request.resource_id)
        properties = await self._read(texts)
        if properties is None:
            return api.ReadResponse()
        return api.ReadResponse(f"{texts['kind']}-{texts['name']}", properties, inputs=properties)

    async def delete(self, request: api.DeleteRequest) -> None:
        """Delete the entry, if Consul still has it."""
        await self._connected.delete(_id(_texts(request.properties)))

    async def invoke(self, request: api.InvokeRequest) -> api.InvokeResponse:
        """Refuse: data sources are the official plugin's."""
        raise Failure(f"{request.tok} is not known to this stand-in for the consul plugin; {_INSTALL}")

    @property
    def _connected(self) -> Consul:
        if self._consul is None:
            raise Failure("the consul provider was not configured; run this through pulumi")
        return self._consul

    async def _write(self, texts: Mapping[str, str]) -> dict[str, PropertyValue]:
        entry, config = _id(texts), json.loads(texts[_CONFIG] or "{}")
        await self._connected.put(entry, entry_json.payload(entry, config))
        written = await self._read(texts)
        if written is None:
            raise Failure(f"Consul took {entry} but doesn't have it; see Consul's documentation of {entry.kind}")
        return written

    async def _read(self, texts: Mapping[str, str]) -> dict[str, PropertyValue] | None:
        entry = await self._connected.get(_id(texts))
        if entry is None:
            return None
        answer = {**texts, _CONFIG: entry_json.stored(entry)}
        return {key: PropertyValue(text) for key, text in answer.items() if text}


def _texts(properties: Mapping[str, PropertyValue]) -> dict[str, str]:
    """Return an entry's properties as texts, absent ones as empty (as Terraform has them)."""
    values = {key: properties[key].value if key in properties else "" for key in (*EntryId._fields, _CONFIG)}
    return {key: value if isinstance(value, str) else "" for key, value in values.items()}


def _id(texts: Mapping[str, str]) -> EntryId:
    return EntryId(**{key: texts[key] for key in EntryId._fields})


def _imported(resource_id: str) -> dict[str, str]:
    parts = resource_id.split("/")
    if len(parts) == _PARTS_OF_AN_ID:
        parts = ["", "", *parts]
    if len(parts) != _PARTS_OF_A_FULL_ID:
        raise Failure(f"can't import {resource_id!r}; write KIND/NAME or PARTITION/NAMESPACE/KIND/NAME")
    return dict(zip(("partition", "namespace", "kind", "name"), parts, strict=True)) | {_CONFIG: ""}


def _entry_type(token: str) -> None:
    own = token.rpartition("$")[2]  # a URN's type is qualified by its parents'
    if own != _TYPE:
        raise Failure(f"{own} is not known to this stand-in for the consul plugin; {_INSTALL}")


def _json_map_or_unknown(text: str) -> bool:
    if text == UNKNOWN:
        return True
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


def main() -> None:
    """Serve the provider to the engine that started this process."""
    serve(ConsulProvider(os.environ), CONSUL_VERSION)
