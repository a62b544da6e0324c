"""What would run in or beside the pods of a cluster, as far as the API server can see it; for tests only.

A stand-in watches some resources and answers what it sees of each object with writes, in a thread of its own. What it
writes is decided by a pure function from the object; a write that comes too late (404, 409) is forgotten, for the event
that made it so is under way.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import httpx

if TYPE_CHECKING:
    from tests.kubernetes.control_plane import ControlPlane

__all__ = ["Resource", "StandIn", "Write"]

Object = Mapping[str, Any]
_RETRY_SECONDS = 0.1
_LATE = {httpx.codes.NOT_FOUND, httpx.codes.CONFLICT}


@dataclass(frozen=True)
class Resource:
    """Where objects of one kind are: `/apis/consul.hashicorp.com/v1alpha1` and `servicedefaults`."""

    base: str
    plural: str

    @property
    def path(self) -> str:
        return f"{self.base}/{self.plural}"

    def path_of(self, found: Object) -> str:
        """The path of one object."""
        metadata = found["metadata"]
        namespace = f"/namespaces/{metadata['namespace']}" if "namespace" in metadata else ""
        return f"{self.base}{namespace}/{self.plural}/{metadata['name']}"


@dataclass(frozen=True)
class Write:
    """A request about an object: to it, or to one of its subresources. A PATCH is a JSON merge patch."""

    method: str
    body: Mapping[str, Any]
    subresource: str = ""


class StandIn:
    """Use it as a context manager: it is at work inside. An error of its own is raised when it is left.

    Args:
        control_plane: Where it works.
        user: Under which name; the audit log tells it.
        reactions: What to write on seeing an object that is new or has changed, by resource. A reaction is called again
            on what its own writes have made of the object, and must come to an end.
    """

    def __init__(
        self, control_plane: ControlPlane, user: str, reactions: Mapping[Resource, Callable[[Object], Iterable[Write]]]
    ) -> None:
        self._server = control_plane.server
        self._credentials = control_plane.credentials(user)
        self._reactions = reactions
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=user, daemon=True)

    def __enter__(self) -> Self:
        self._work = self._loop.create_task(self._watch_all())
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._work.cancel)
        self._thread.join()
        self._loop.close()
        if not self._work.cancelled():
            self._work.result()

    @property
    def is_at_work(self) -> bool:
        """Whether it watches; False as soon as an error of its own has ended it."""
        return self._thread.is_alive()

    def _run(self) -> None:
        self._loop.run_until_complete(asyncio.wait([self._work]))

    async def _watch_all(self) -> None:
        async with (
            httpx.AsyncClient(base_url=self._server, verify=self._credentials, trust_env=False) as client,
            asyncio.TaskGroup() as group,
        ):
            for resource in self._reactions:
                group.create_task(self._watch(client, resource))

    async def _watch(self, client: httpx.AsyncClient, resource: Resource) -> None:
        # Without a resourceVersion a watch begins with what is there; the server ends it after some time.
        while True:
            async with client.stream("GET", resource.path, params={"watch": "true"}, timeout=None) as events:
                if events.status_code == httpx.codes.TOO_MANY_REQUESTS:  # a definition that is new: its cache is filled
                    await asyncio.sleep(_RETRY_SECONDS)
                    continue
                events.raise_for_status()
                async for line in events.aiter_lines():
                    event = json.loads(line)
                    if event["type"] in {"ADDED", "MODIFIED"}:
                        for write in self._reactions[resource](event["object"]):
                            await self._write(client, resource.path_of(event["object"]), write)

    async def _write(self, client: httpx.AsyncClient, path: str, write: Write) -> None:
        kind = "merge-patch+json" if write.method == "PATCH" else "json"
        answer = await client.request(
            write.method,
            f"{path}/{write.subresource}" if write.subresource else path,
            content=json.dumps(write.body),
            headers={"Content-Type": f"application/{kind}"},
        )
        if answer.status_code not in _LATE and not answer.is_success:
            raise RuntimeError(f"{write.method} {path}: {answer.text}")
