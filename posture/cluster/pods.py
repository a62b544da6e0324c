"""A stack's pods, and commands that are run in their containers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlencode, urlsplit

import websocket

from posture.cluster.connection import UnreachableError
from posture.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from posture.cluster.connection import Connection
    from posture.model.manifests.placement import Manifest

__all__ = ["Pod", "Ran", "pods", "run"]

_PATIENCE = 60
"""Seconds for a command to say something."""

_OUTPUT, _ERRORS, _STATUS = 1, 2, 3
"""Channels of `v4.channel.k8s.io`: the first byte of each message."""

_FORBIDDEN = 403


class Pod(NamedTuple):
    """A pod that runs; ``instance`` is what its Deployment is called, and the pod itself where there are several."""

    instance: str
    name: str
    address: str
    manifest: Manifest

    @property
    def host(self) -> str:
        """Its address as it stands in a URL."""
        return f"[{self.address}]" if ":" in self.address else self.address

    def path(self, subresource: str = "") -> str:
        """Where the API server has the pod, or a subresource of it."""
        namespace = self.manifest["metadata"]["namespace"]
        return f"/api/v1/namespaces/{namespace}/pods/{self.name}/{subresource}".rstrip("/")


class Ran(NamedTuple):
    """What a command has said; ``status`` is its exit status."""

    output: str
    errors: str
    status: int


def pods(connection: Connection, namespace: str, labels: Mapping[str, str], name: str = "") -> list[Pod]:
    """The running pods that bear all these labels, by instance; those that are ending are left out.

    ``name`` is what an instance is called where its labels don't say so.
    """
    selector = ",".join(f"{key}={value}" for key, value in labels.items())
    found = connection.get(f"/api/v1/namespaces/{namespace}/pods", labelSelector=selector) or {}
    running = [
        each
        for each in found.get("items", ())
        if each["status"].get("podIP") and "deletionTimestamp" not in each["metadata"] and _runs(each)
    ]
    return sorted(_named(running, name), key=lambda pod: pod.instance)


def run(connection: Connection, pod: Pod, container: str, command: Sequence[str]) -> Ran:
    """Run a command in a container, by the API server (`pods/exec` over a WebSocket).

    Raises:
        InputError: The API server refuses: no permission, or no such container or command.
        UnreachableError: It does not answer.
    """
    query = [("command", each) for each in command]
    query += [("container", container), ("stdout", "true"), ("stderr", "true")]
    said = dict.fromkeys((_OUTPUT, _ERRORS, _STATUS), b"")
    try:
        stream = _connected(connection, f"{pod.path('exec')}?{urlencode(query)}")
        try:
            while (frame := stream.recv_data())[0] != websocket.ABNF.OPCODE_CLOSE:
                data = bytes(frame[1])
                said[data[0]] += data[1:]
        finally:
            stream.close()
    except websocket.WebSocketBadStatusException as error:
        raise _refusal(connection, pod, error.status_code) from None
    except (websocket.WebSocketException, OSError) as error:
        raise UnreachableError(f"the command in pod {pod.name} broke off ({error}); try again") from None
    output, errors = (said[channel].decode(errors="replace") for channel in (_OUTPUT, _ERRORS))
    return Ran(output, errors, _status(pod, container, said[_STATUS]))


def _connected(connection: Connection, path: str) -> websocket.WebSocket:
    settings = connection.api.configuration
    headers: dict[str, str] = {}
    connection.api.update_params_for_auth(headers, [], ["BearerToken"], path, "GET", None)
    return websocket.create_connection(
        f"{settings.host}{path}".replace("http", "ws", 1),
        timeout=_PATIENCE,
        header=headers,
        subprotocols=["v4.channel.k8s.io"],
        sslopt={
            "context": connection.api.rest_client.pool_manager.connection_pool_kw["ssl_context"],
            "server_hostname": settings.tls_server_name or urlsplit(settings.host).hostname,
        },
    )


def _refusal(connection: Connection, pod: Pod, status: int) -> InputError:
    if status == _FORBIDDEN:
        todo = "ask the cluster's administrator for it"
        return InputError(f"context '{connection.context}' has no permission to create pods/exec; {todo}")
    return InputError(f"no command can be run in pod {pod.name} (status {status}); see whether it still runs")


def _status(pod: Pod, container: str, result: bytes) -> int:
    """A command's exit status, from the `metav1.Status` that ends the stream."""
    found = json.loads(result or '{"message": "it was cut off"}')
    if found.get("status") == "Success":
        return 0
    causes = found.get("details", {}).get("causes", ())
    code = next((cause["message"] for cause in causes if cause.get("reason") == "ExitCode"), None)
    if code is None:
        raise InputError(
            f"a command can't be run in {container} of pod {pod.name}: {found['message']}; see what it says"
        )
    return int(code)


def _runs(manifest: Manifest) -> bool:
    return bool(manifest["status"].get("phase") == "Running")


def _named(manifests: Sequence[Manifest], otherwise: str) -> Iterator[Pod]:
    def of(manifest: Manifest) -> str:
        labels = manifest["metadata"].get("labels") or {}
        version = labels.get("version")
        name = str(labels.get("app") or otherwise or manifest["metadata"]["name"])
        return f"{name}-{version}" if version else name

    names = [of(each) for each in manifests]
    for name, each in zip(names, manifests, strict=True):
        own = each["metadata"]["name"]
        yield Pod(name if names.count(name) == 1 else own, own, each["status"]["podIP"], each)
