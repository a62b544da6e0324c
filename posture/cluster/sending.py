"""One request to an API server, with the credentials of its client."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlencode

import urllib3
from kubernetes.client.exceptions import ApiException

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kubernetes.client.api_client import ApiClient

__all__ = ["ApiRequest", "NoAnswerError", "send"]

# A server that doesn't answer is said at once; one that asks to come back later, as with kinds just defined, is obeyed.
_RETRIES = urllib3.Retry(
    connect=0,
    read=0,
    redirect=0,
    other=0,
    status=5,
    status_forcelist=[429],
    raise_on_status=False,
    allowed_methods=None,
    backoff_factor=0.2,
)


class NoAnswerError(Exception):
    """Why the server gave no answer, in a few words."""


class ApiRequest(NamedTuple):
    """What is asked of the server; `body` is sent as JSON, unless it is None."""

    method: str
    path: str
    query: Mapping[str, str] = {}
    body: object = None
    headers: Mapping[str, str] = {}


def send(client: ApiClient, request: ApiRequest, timeout: urllib3.Timeout) -> urllib3.BaseHTTPResponse:
    """The answer, whatever its status.

    Raises:
        NoAnswerError: There is none, or the credentials can't be had.
    """
    url = f"{client.configuration.host}{request.path}" + (f"?{urlencode(request.query)}" if request.query else "")
    headers = {"Accept": "application/json", **request.headers}
    try:
        client.update_params_for_auth(headers, [], ["BearerToken"], request.path, request.method, None)
        return client.rest_client.pool_manager.request(
            *(request.method, url),
            body=None if request.body is None else json.dumps(request.body),
            headers=headers,
            timeout=timeout,
            retries=_RETRIES,
        )
    except (urllib3.exceptions.HTTPError, ApiException, OSError) as error:
        raise NoAnswerError(_words(error) or type(error).__name__) from None


def _words(error: Exception) -> str:
    """The innermost reason, without the connections and URLs that are told before it."""
    cause = error.reason if isinstance(error, urllib3.exceptions.MaxRetryError) and error.reason else error
    said = str(cause.args[-1] if cause.args else cause)
    return " ".join(said.split()).rpartition(": ")[2]
