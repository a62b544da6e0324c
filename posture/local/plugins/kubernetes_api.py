"""A cluster's API server: any kind of object over its REST interface, and its refusals in one line.

The paths and query parameters are those of the Kubernetes API (`kubernetes.io/docs/reference/using-api`). What kinds
an API has is asked once; what it doesn't have is asked again each time, for a chart may bring it.
"""

from __future__ import annotations

import asyncio
import json
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

import urllib3

from posture.cluster.sending import ApiRequest, NoAnswerError, send
from posture.local.plugins.kubernetes_object import name_of
from posture.local.plugins.provider_server import Failure

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kubernetes.client.api_client import ApiClient

__all__ = ["NO_KIND", "Cluster", "Kind", "Refusal", "Unreachable"]

NO_KIND = "the cluster has no such kind of object"
_TIMEOUT = urllib3.Timeout(connect=10, read=60)  # seconds; an admission webhook may take 30
_APPLY = "application/apply-patch+yaml"  # JSON is YAML
_OK = range(200, 300)
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_MAY_NOT = re.compile(rf'\S+( {_QUOTED})? is forbidden: User {_QUOTED} cannot \w+ resource "')
"""How a refusal for want of permission begins (k8s.io/apiserver, `responsewriters.ForbiddenStatusError`)."""


class Kind(NamedTuple):
    """A kind of object that the cluster has; `path` begins its URLs, such as `/apis/apps/v1`."""

    path: str
    plural: str
    namespaced: bool


class _Request(NamedTuple):
    """A request; `what` is what a refusal says could not be done, such as `can't read Service a/b`."""

    method: str
    path: str
    what: str
    query: Mapping[str, str] = {}
    body: object = None
    content: str = "application/json"


class Unreachable(Failure):
    """The API server doesn't answer, or doesn't let us in."""


class Refusal(Failure):
    """What the API server refuses, in its own words.

    Args:
        what: What we asked for, such as `can't create Service a/b`.
        code: The HTTP status.
        status: The server's `Status` object.

    Attributes:
        lacks_permission: Whether it is for who asks, by RBAC or another authorizer. What quotas, webhooks and policies
            refuse is a 403 as well, in other words.
    """

    def __init__(self, what: str, code: int, status: Mapping[str, Any]) -> None:
        words = " ".join(str(status.get("message") or status.get("reason") or "no reason given").split())
        super().__init__(f"{what}: {words} (HTTP {code})")
        self.code = code
        self.reason = str(status.get("reason", ""))
        self.lacks_permission = code == HTTPStatus.FORBIDDEN and bool(_MAY_NOT.match(str(status.get("message"))))
        self.details: Mapping[str, Any] = status.get("details") or {}


class Cluster:
    """The objects of one cluster, as one user sees them.

    Args:
        client: Makes requests to it.

    Attributes:
        stopping: Whether the user has stopped the engine, so that nobody waits for anything any more.
    """

    def __init__(self, client: ApiClient) -> None:
        self.stopping = False
        self._client = client
        self._kinds: dict[tuple[str, str], Kind] = {}
        self._asking = asyncio.Lock()

    async def probe(self) -> None:
        """Ask for the list of APIs.

        Raises:
            Unreachable: The server doesn't answer, or not to us.
        """
        try:
            await self._send(_Request("GET", "/api", "can't list the APIs"))
        except Refusal as refusal:
            raise Unreachable(f"the API server at {self._client.configuration.host}: {refusal}") from refusal

    async def kind(self, api_version: str, kind: str) -> Kind | None:
        """Find out what the cluster calls a kind, or None if it has none such."""
        async with self._asking:  # once, not by each of those who want to know at the same time
            return await self._kind(api_version, kind)

    async def get(self, values: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the object as the server has it, or None if it has none, or no such kind."""
        try:
            return await self._send(await self._about(values, "GET", "can't read"))
        except Refusal as refusal:
            if refusal.code == HTTPStatus.NOT_FOUND:
                return None
            raise

    async def create(self, values: Mapping[str, Any], manager: str, *, dry: bool) -> dict[str, Any]:
        """Create an object; a field that its schema doesn't know is refused, as is an object that is there.

        Args:
            values: The object.
            manager: In whose name.
            dry: Whether the server only says what it would do.
        """
        request = await self._about(values, "POST", "can't create")
        return await self._send(request._replace(query=_query(manager, dry=dry)))

    async def apply(self, values: Mapping[str, Any], manager: str, *, force: bool, dry: bool) -> dict[str, Any]:
        """Apply an object: what it no longer has goes, and what others own is refused unless `force`."""
        request = await self._about(values, "PATCH", "can't update")
        query = {**_query(manager, dry=dry), "force": str(force).lower()}
        return await self._send(request._replace(query=query, body=values, content=_APPLY))

    async def patch(self, values: Mapping[str, Any], operations: list[Any]) -> dict[str, Any]:
        """Change an object by a JSON patch (RFC 6902)."""
        request = await self._about(values, "PATCH", "can't update")
        return await self._send(request._replace(body=operations, content="application/json-patch+json"))

    async def delete(self, values: Mapping[str, Any], propagation: str) -> None:
        """Ask for an object's deletion, which is not its end yet: finalizers may hold it."""
        request = await self._about(values, "DELETE", "can't delete")
        await self._send(request._replace(body={"propagationPolicy": propagation}))

    async def _kind(self, api_version: str, kind: str) -> Kind | None:
        if (api_version, kind) not in self._kinds:
            path = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
            try:
                answer = await self._send(_Request("GET", path, f"can't list the kinds of {api_version}"))
            except Refusal as refusal:
                if refusal.code == HTTPStatus.NOT_FOUND:
                    return None
                raise
            for entry in answer.get("resources", ()):
                if "/" not in entry["name"]:  # no subresource
                    self._kinds[api_version, entry["kind"]] = Kind(path, entry["name"], entry["namespaced"])
        return self._kinds.get((api_version, kind))

    async def _about(self, values: Mapping[str, Any], method: str, what: str) -> _Request:
        """Return a request about an object, whose URL is its namespace's list of its kind if it is to be created."""
        api_version, metadata = str(values["apiVersion"]), values["metadata"]
        what = f"{what} {name_of(values)}"
        kind = await self.kind(api_version, str(values["kind"]))
        if kind is None:
            words = f"{NO_KIND} ({api_version} {values['kind']}); install its CRD or chart first"
            raise Refusal(what, HTTPStatus.NOT_FOUND, {"message": words, "reason": NO_KIND})
        path = [kind.path]
        if kind.namespaced:
            path += ["namespaces", quote(str(metadata.get("namespace") or "default"), safe="")]
        path.append(kind.plural)
        if method != "POST":
            return _Request(method, "/".join([*path, quote(str(metadata["name"]), safe="")]), what)
        place = {key: value for key, value in metadata.items() if kind.namespaced or key != "namespace"}
        return _Request(method, "/".join(path), what, body={**values, "metadata": place})

    async def _send(self, request: _Request) -> dict[str, Any]:
        """Make a request; the client is a blocking one, so a thread makes it."""
        code, text = await asyncio.to_thread(self._blocking, request)
        try:
            answer = json.loads(text)
        except (ValueError, RecursionError):
            answer = None
        if code not in _OK or not isinstance(answer, dict):
            raise Refusal(request.what, code, answer if isinstance(answer, dict) else {"message": text})
        return answer

    def _blocking(self, request: _Request) -> tuple[int, str]:
        headers = {"Content-Type": request.content}
        try:
            sent = ApiRequest(request.method, request.path, request.query, request.body, headers)
            response = send(self._client, sent, _TIMEOUT)
        except NoAnswerError as error:
            host = self._client.configuration.host
            raise Unreachable(f"{request.what}: no answer from the API server at {host} ({error})") from None
        return response.status, response.data.decode(errors="replace")


def _query(manager: str, *, dry: bool) -> dict[str, str]:
    return {"fieldManager": manager, "fieldValidation": "Strict"} | ({"dryRun": "All"} if dry else {})
