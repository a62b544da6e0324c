"""A stack's pods, and commands that are run in their containers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlencode

from kubernetes.stream.ws_client import ERROR_CHANNEL, STDERR_CHANNEL, STDOUT_CHANNEL, WSClient
from websocket import WebSocketBadStatusException, WebSocketException

from posture.cluster.connection import UnreachableError
from posture.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from posture.cluster.connection import Connection
    from posture.model.manifests.placement import Manifest

__all__ = ["Pod", "Ran", "pods", "run"]

_PATIENCE = 60
"""Seconds for a command to end."""

_FORBIDDEN = 403


class Pod(NamedTuple):
    """A pod that runs; ``instance`` is what its Deployment is called, and the pod itself where there are several."""

    instance: str
    name: str
    address: str
    manifest: Manifest

    def path(self, subresource: str = "") -> str:
        """Where the API server has the pod, or a subresource of it."""
        namespace = self.manifest["metadata"]["namespace"]
        return f"/api/v1/namespaces/{namespace}/pods/{self.name}/{subresource}".rstrip("/")


class Ran(NamedTuple):
    """What a command has said; ``status`` is its exit status, None where it did not end in time."""

    output: str
    errors: str
    status: int | None


def pods(connection: Connection, namespace: str, **labels: str) -> list[Pod]:
    """The running pods that bear all these labels, by instance; those that are ending are left out."""
    selector = ",".join(f"{key}={value}" for key, value in labels.items())
    found = connection.get(f"/api/v1/namespaces/{namespace}/pods", labelSelector=selector) or {}
    running = [
        each
        for each in found.get("items", ())
        if each["status"].get("podIP") and "deletionTimestamp" not in each["metadata"] and _runs(each)
    ]
    return sorted(_named(running), key=lambda pod: pod.instance)


def run(connection: Connection, pod: Pod, container: str, command: Sequence[str]) -> Ran:
    """Run a command in a container, by the API server (`pods/exec` over a WebSocket).

    Raises:
        InputError: The API server refuses: no permission, or no such container or command.
        UnreachableError: It does not answer.
    """
    query = [("command", each) for each in command]
    query += [("container", container), ("stdout", "true"), ("stderr", "true")]
    settings, path = connection.api.configuration, pod.path("exec")
    headers = {"sec-websocket-protocol": "v4.channel.k8s.io"}
    url = f"{settings.host}{path}?{urlencode(query)}".replace("http", "ws", 1)
    try:
        connection.api.update_params_for_auth(headers, [], ["BearerToken"], path, "GET", None)
        stream = WSClient(settings, url, headers, capture_all=False)
    except WebSocketBadStatusException as error:
        raise _refusal(connection, pod, error.status_code) from None
    except (WebSocketException, OSError) as error:
        raise UnreachableError(f"the cluster of context '{connection.context}' does not answer ({error})") from None
    try:
        stream.run_forever(timeout=_PATIENCE)
        output, errors = (str(stream.read_channel(channel)) for channel in (STDOUT_CHANNEL, STDERR_CHANNEL))
        return Ran(output, errors, _status(pod, container, stream.read_channel(ERROR_CHANNEL)))
    except (WebSocketException, OSError) as error:
        raise UnreachableError(f"the connection to pod {pod.name} broke off ({error}); try again") from None
    finally:
        stream.close()


def _refusal(connection: Connection, pod: Pod, status: int) -> InputError:
    if status == _FORBIDDEN:
        todo = "ask the cluster's administrator for it"
        return InputError(f"context '{connection.context}' has no permission to create pods/exec; {todo}")
    return InputError(f"no command can be run in pod {pod.name} (status {status}); see whether it still runs")


def _status(pod: Pod, container: str, result: str) -> int | None:
    """A command's exit status, from the `metav1.Status` that ends the stream."""
    if not result:
        return None
    found = json.loads(result)
    if found["status"] == "Success":
        return 0
    causes = found.get("details", {}).get("causes", ())
    code = next((cause["message"] for cause in causes if cause.get("reason") == "ExitCode"), None)
    if code is None:
        raise InputError(f"a command can't be run in {container} of pod {pod.name}: {found['message']}; see what it says")
    return int(code)


def _runs(manifest: Manifest) -> bool:
    return bool(manifest["status"].get("phase") == "Running")


def _named(manifests: Sequence[Manifest]) -> Iterator[Pod]:
    def of(manifest: Manifest) -> str:
        labels = manifest["metadata"].get("labels") or {}
        version = labels.get("version")
        name = labels.get("app", manifest["metadata"]["name"])
        return f"{name}-{version}" if version else name

    names = [of(each) for each in manifests]
    for name, each in zip(names, manifests, strict=True):
        own = each["metadata"]["name"]
        yield Pod(name if names.count(name) == 1 else own, own, each["status"]["podIP"], each)
