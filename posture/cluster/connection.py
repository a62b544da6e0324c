"""A cluster's API server, reached by one named context of a kubeconfig; every trouble is one line."""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import urllib3

from posture.cluster.kubeconfig import KubeconfigError, client_of, default_files, read_kubeconfig
from posture.cluster.sending import ApiRequest, NoAnswerError, send
from posture.errors import InputError
from posture.model.document import nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kubernetes.client.api_client import ApiClient

__all__ = ["ApiResource", "Connection", "UnreachableError", "connect"]

_PATIENCE = urllib3.Timeout(connect=5, read=30)  # seconds
_FIRST_ERROR, _UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND = 400, 401, 403, 404


class UnreachableError(InputError):
    """The cluster does not answer."""


class ApiResource(NamedTuple):
    """A kind of object as the API server knows it: its name in paths, and whether namespaces hold it."""

    api_version: str
    kind: str
    name: str
    namespaced: bool

    @property
    def group(self) -> str:
        """Its API group; empty for the core."""
        return self.api_version.rpartition("/")[0]

    def path(self, namespace: str = "", name: str = "") -> str:
        """Where the API server has an object, or all of them."""
        root = f"/apis/{self.api_version}" if self.group else f"/api/{self.api_version}"
        within = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        return f"{root}{within}/{self.name}" + (f"/{name}" if name else "")


class Connection:
    """Requests to one API server, each answered by its JSON.

    Raises:
        UnreachableError: By any request.
        InputError: By any request that the server refuses; with its own words.
    """

    def __init__(self, api: ApiClient, context: str) -> None:
        self.api = api
        self.context = context
        self.resources = cache(self._resources)

    def get(self, path: str, **query: str) -> dict[str, Any] | None:
        """The answer to a GET; None where there is nothing."""
        return self._object("GET", path, query=query)

    def create(self, path: str, body: Mapping[str, Any], **query: str) -> dict[str, Any]:
        """The answer to a POST."""
        return self._object("POST", path, body, query) or {}

    def patch(self, path: str, body: Mapping[str, Any]) -> dict[str, Any] | None:
        """The answer to a PATCH, a strategic merge; None where there is nothing."""
        return self._object("PATCH", path, body)

    def delete(self, path: str) -> None:
        """Delete an object, if it is there."""
        self._call("DELETE", path)

    def proxied(self, path: str, headers: Mapping[str, str]) -> list[dict[str, Any]]:
        """A list that a service behind the server answers to a GET with more headers; empty where there is nothing."""
        return list(self._call("GET", path, headers=headers) or ())

    def version(self) -> tuple[int, int]:
        """The server's version, major and minor."""
        found = self.get("/version") or {}
        try:
            return int(found["major"]), int(found["minor"].rstrip("+"))
        except (AttributeError, KeyError, TypeError, ValueError):
            raise self._refusal(0, {"message": "it doesn't say which version of Kubernetes it is"}) from None

    def resource(self, api_version: str, kind: str) -> ApiResource | None:
        """A kind as the server knows it; None if it doesn't."""
        return next((each for each in self.resources(api_version) if each.kind == kind), None)

    def _resources(self, api_version: str) -> tuple[ApiResource, ...]:
        found = self.get(f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}") or {}
        try:
            return tuple(
                ApiResource(api_version, each["kind"], each["name"], each["namespaced"])
                for each in found.get("resources", ())
                if "/" not in each["name"]
            )
        except (KeyError, TypeError):
            raise self._refusal(0, {"message": f"its list of {api_version} is none"}) from None

    def _object(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> dict[str, Any] | None:
        found = self._call(method, path, body, query)
        if isinstance(found, list):
            raise self._refusal(0, {"message": f"{method} {path} was answered by a list"})
        return None if found is None else dict(found)

    def _call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:  # noqa: ANN401 - any JSON; None where there is nothing
        content = "application/strategic-merge-patch+json" if method == "PATCH" else "application/json"
        sent = {"Content-Type": content, **(headers or {})}
        try:
            answer = send(self.api, ApiRequest(method, path, query or {}, body or None, sent), _PATIENCE)
        except NoAnswerError as error:
            message = f"the cluster of context '{self.context}' does not answer at {self.api.configuration.host}"
            raise UnreachableError(f"{message} ({error}); check that it runs and can be reached from here") from None
        if answer.status == _NOT_FOUND:
            return None
        try:
            found = json.loads(answer.data)
        except (ValueError, RecursionError):
            found = None
        expected = dict | list if answer.status < _FIRST_ERROR else dict
        if not isinstance(found, expected):
            words = f"{method} {path} was answered by {answer.status} {answer.reason} and no JSON of an API server"
            raise self._refusal(answer.status, {"message": words})
        if answer.status >= _FIRST_ERROR:
            raise self._refusal(answer.status, found)
        return found

    def _refusal(self, status: int, answer: Mapping[str, Any]) -> InputError:
        words = answer.get("message", f"status {status}")
        if status == _UNAUTHORIZED:
            return InputError(f"context '{self.context}' does not log in to its cluster ({words}); log in anew")
        todo = "ask the cluster's administrator for it" if status == _FORBIDDEN else "see what it says"
        return InputError(f"the cluster of context '{self.context}' refuses: {words}; {todo}")


def connect(context: str, kubeconfig: str = "") -> Connection:
    """A connection by a named context; nothing is sent yet.

    Args:
        context: The context's name.
        kubeconfig: The file; empty for `$KUBECONFIG`, else `~/.kube/config`.

    Raises:
        InputError: No such file, or no such context in it.
    """
    files = [Path(kubeconfig).expanduser()] if kubeconfig else default_files(os.environ)
    where = os.pathsep.join(map(str, files))
    try:
        config = read_kubeconfig(files)
        if not config:
            raise InputError(f"there is no kubeconfig at {where}; set 'kubeconfig' or $KUBECONFIG")
        names = [each["name"] for each in config.get("contexts") or ()]
        if context not in names:
            raise InputError(f"no context '{context}' in {where}; {nearest(context, names)}")
        return Connection(client_of(config, context), context)
    except KubeconfigError as error:
        raise InputError(f"the kubeconfig can't be used: {error}; check it, or set 'kubeconfig'") from None
