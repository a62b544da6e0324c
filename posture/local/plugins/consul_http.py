"""Consul's config entries over HTTP, reached as the official consul plugin reaches them.

Settings come from an explicit `consul.Provider`, then from the environment variables that the official plugin reads
(terraform-provider-consul, `resource_provider.go`) and those of Consul's own client (consul/api, `api.go`).
Nothing is connected before the first request, so a preview needs no running Consul. No message names the token.
"""

from __future__ import annotations

import json
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx

from posture.local.plugins.provider_server import Failure

if TYPE_CHECKING:
    from collections.abc import Mapping

    from posture.local.plugins.entry_json import EntryId

__all__ = ["Consul", "Settings", "settings"]

_TIMEOUT = 30.0  # seconds; a follower may wait for an election first
_TRUE = frozenset({"1", "t", "true"})
_FALSE = frozenset({"0", "f", "false"})


@dataclass(frozen=True)
class Settings:
    """How to reach Consul.

    Attributes:
        url: The base of all requests, such as `https://127.0.0.1:8501`; of a Unix socket, `http://consul`.
        socket: The path of a Unix socket, or empty.
        headers: Sent with each request; they hold the token.
        datacenter: Empty for the agent's own.
        basic_auth: User and password, if a proxy wants them.
        ca_file: PEM file of the authority that signed Consul's certificate, or empty, as are the other TLS settings.
        ca_path: Directory of such files.
        ca_pem: Such a file's content.
        cert_file: Our certificate, for a Consul that verifies its clients.
        key_file: Its key.
        verify: False if any certificate will do.
    """

    url: str
    socket: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    datacenter: str = ""
    basic_auth: tuple[str, str] | None = field(default=None, repr=False)
    ca_file: str = ""
    ca_path: str = ""
    ca_pem: str = ""
    cert_file: str = ""
    key_file: str = ""
    verify: bool = True


def settings(explicit: Mapping[str, Any], environment: Mapping[str, str]) -> Settings:
    """Combine an explicit `consul.Provider` with the environment, in the official plugin's order.

    Args:
        explicit: The provider's inputs by their Pulumi names; lists and booleans may be JSON texts.
        environment: Such as `os.environ`.

    Raises:
        Failure: A setting can't be used.
    """

    def first(name: str, *variables: str) -> str:
        values = (explicit.get(name), *(environment.get(variable) for variable in variables))
        return next((str(value) for value in values if value), "")

    scheme = first("scheme", "CONSUL_SCHEME", "CONSUL_HTTP_SCHEME") or "http"
    if not explicit.get("scheme") and environment.get("CONSUL_HTTP_SSL", "").lower() in _TRUE:
        scheme = "https"
    address = first("address", "CONSUL_ADDRESS", "CONSUL_HTTP_ADDR") or "localhost:8500"
    named, separator, rest = address.partition("://")
    if not separator:
        rest = address
    elif named not in {"http", "https", "unix"}:
        raise Failure(
            f"address {address!r}: its scheme is not http, https or unix; correct the consul provider's address"
        )
    elif named == "https":  # plain http never undoes a request for TLS
        scheme = "https"
    insecure = str(explicit.get("insecureHttps", "")).lower() in _TRUE
    if insecure and scheme != "https":
        raise Failure("insecureHttps needs https; set the consul provider's scheme to https")
    token = first("token", "CONSUL_TOKEN", "CONSUL_HTTP_TOKEN")
    if not token and (file := environment.get("CONSUL_HTTP_TOKEN_FILE")):
        token = _text(file)
    user, _, password = first("httpAuth", "CONSUL_HTTP_AUTH").partition(":")
    return Settings(
        url=f"{scheme}://consul" if named == "unix" and separator else f"{scheme}://{rest}",
        socket=rest if named == "unix" and separator else "",
        headers=_headers(explicit.get("headers")) | ({"X-Consul-Token": token} if token else {}),
        datacenter=first("datacenter"),
        basic_auth=(user, password) if user else None,
        ca_file=first("caFile", "CONSUL_CA_FILE", "CONSUL_CACERT"),
        ca_path=first("caPath", "CONSUL_CAPATH"),
        ca_pem=first("caPem"),
        cert_file=first("certFile", "CONSUL_CERT_FILE", "CONSUL_CLIENT_CERT"),
        key_file=first("keyFile", "CONSUL_KEY_FILE", "CONSUL_CLIENT_KEY"),
        verify=not insecure and environment.get("CONSUL_HTTP_SSL_VERIFY", "").lower() not in _FALSE,
    )


class Consul:
    """The config entries of one Consul.

    Args:
        settings: How to reach it.

    Raises:
        Failure: A certificate or key can't be read.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._http = httpx.AsyncClient(
            base_url=settings.url,
            headers=dict(settings.headers),
            auth=settings.basic_auth,
            timeout=_TIMEOUT,
            transport=httpx.AsyncHTTPTransport(uds=settings.socket or None, verify=_tls(settings)),
        )

    async def get(self, entry: EntryId) -> dict[str, Any] | None:
        """Return an entry as Consul has it, or None if it has none."""
        response = await self._ask("GET", entry)
        if response.status_code == httpx.codes.NOT_FOUND and "entry not found" in response.text:
            return None  # any other 404 is not Consul's, and no reason to forget the entry
        _accepted(response, f"can't read {entry}")
        try:
            answer = response.json()
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            raise Failure(f"can't read {entry}: what answers at {self._settings.url} is no Consul; correct the address")
        return answer

    async def put(self, entry: EntryId, body: Mapping[str, Any]) -> None:
        """Write an entry.

        Raises:
            Failure: Consul refuses it; the message has Consul's own words.
        """
        _accepted(await self._ask("PUT", entry, body), f"Consul refuses {entry}")

    async def delete(self, entry: EntryId) -> None:
        """Delete an entry; Consul has no objection to one that is gone already."""
        _accepted(await self._ask("DELETE", entry), f"Consul refuses to delete {entry}")

    async def _ask(self, method: str, entry: EntryId, body: Mapping[str, Any] | None = None) -> httpx.Response:
        path = "/v1/config" if body else f"/v1/config/{quote(entry.kind, safe='')}/{quote(entry.name, safe='')}"
        place = {"ns": entry.namespace, "partition": entry.partition, "dc": self._settings.datacenter}
        params = {key: value for key, value in place.items() if value}
        try:
            return await self._http.request(method, path, params=params, json=body)
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            where = self._settings.socket or self._settings.url
            raise Failure(
                f"{entry}: no answer from Consul at {where} ({str(error) or type(error).__name__}); "
                "start it, or correct the consul provider's address or CONSUL_HTTP_ADDR"
            ) from error


def _accepted(response: httpx.Response, what: str) -> httpx.Response:
    if response.is_success:
        return response
    words = " ".join(response.text.split()) or response.reason_phrase
    raise Failure(f"{what}: {words} (HTTP {response.status_code})")


def _headers(given: Any) -> dict[str, str]:  # noqa: ANN401 - a JSON text, or the list it stands for
    try:
        entries = json.loads(given) if isinstance(given, str) else given or []
        return {str(entry["name"]): str(entry["value"]) for entry in entries}
    except (KeyError, TypeError, ValueError, RecursionError):
        raise Failure("headers are no list of a name and a value each; correct the consul provider's") from None


def _tls(settings: Settings) -> ssl.SSLContext | bool:
    if not settings.url.startswith("https"):
        return False
    try:
        context = ssl.create_default_context(
            cafile=settings.ca_file or None, capath=settings.ca_path or None, cadata=settings.ca_pem or None
        )
        if settings.cert_file:
            context.load_cert_chain(settings.cert_file, settings.key_file or None)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise Failure(
            f"the consul provider's certificates can't be used ({error}); correct caFile or certFile"
        ) from error
    if not settings.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _text(file: str) -> str:
    try:
        return Path(file).read_text().strip()
    except OSError as error:
        raise Failure(f"CONSUL_HTTP_TOKEN_FILE can't be read ({error}); correct it or unset it") from error
