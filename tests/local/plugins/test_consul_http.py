from __future__ import annotations

import asyncio
import socket
import struct
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from posture.local.plugins.consul_http import Consul, settings
from posture.local.plugins.entry_json import EntryId
from posture.local.plugins.provider_server import Failure

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("explicit", "environment", "url"),
    [
        ({}, {}, "http://localhost:8500"),
        ({}, {"CONSUL_HTTP_ADDR": "127.31.0.1:1"}, "http://127.31.0.1:1"),
        ({"address": "127.31.0.2:2"}, {"CONSUL_HTTP_ADDR": "127.31.0.1:1"}, "http://127.31.0.2:2"),
        ({}, {"CONSUL_HTTP_ADDR": "a:1", "CONSUL_ADDRESS": "b:2"}, "http://b:2"),
        ({}, {"CONSUL_HTTP_SSL": "true"}, "https://localhost:8500"),
        ({"scheme": "http"}, {"CONSUL_HTTP_SSL": "true"}, "http://localhost:8500"),
        ({"address": "https://c:3/prefix"}, {}, "https://c:3/prefix"),
        ({"address": "http://c:3", "scheme": "https"}, {}, "https://c:3"),
    ],
)
def test_an_explicit_provider_goes_before_the_environment(
    explicit: dict[str, str], environment: dict[str, str], url: str
) -> None:
    assert settings(explicit, environment).url == url


def test_a_token_comes_from_the_provider_then_a_variable_then_a_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("from-file\n")
    environment = {"CONSUL_HTTP_TOKEN_FILE": str(tmp_path / "token")}
    assert settings({}, environment).headers == {"X-Consul-Token": "from-file"}
    environment["CONSUL_HTTP_TOKEN"] = "from-variable"  # noqa: S105 - it is none
    assert settings({}, environment).headers == {"X-Consul-Token": "from-variable"}
    assert settings({"token": "explicit"}, environment).headers == {"X-Consul-Token": "explicit"}


def test_settings_never_show_the_token() -> None:
    assert "s3cret" not in repr(settings({"token": "s3cret", "httpAuth": "me:s3cret"}, {}))


@pytest.mark.parametrize(
    ("explicit", "environment", "message"),
    [
        ({"address": "ftp://a"}, {}, "its scheme is not http, https or unix"),
        ({"insecureHttps": "true"}, {}, "insecureHttps needs https"),
        ({}, {"CONSUL_HTTP_TOKEN_FILE": "absent"}, "CONSUL_HTTP_TOKEN_FILE can't be read"),
    ],
)
def test_what_cant_be_used_is_refused_in_one_line(
    explicit: dict[str, str], environment: dict[str, str], message: str
) -> None:
    with pytest.raises(Failure, match=message):
        settings(explicit, environment)


def test_an_unreadable_certificate_is_refused_in_one_line() -> None:
    with pytest.raises(Failure, match="correct caFile or certFile"):
        Consul(settings({"scheme": "https", "caFile": "absent"}, {}))


def test_an_error_without_words_is_told_by_its_kind() -> None:
    """As of a Consul that dies: not all that was sent to it was read, so the kernel resets the connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def reset() -> None:
            connection, _ = listener.accept()
            connection.recv(1)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()

        dying = Thread(target=reset)
        dying.start()
        consul = Consul(settings({"address": f"127.0.0.1:{listener.getsockname()[1]}"}, {}))
        with pytest.raises(Failure, match=r"no answer from Consul at http://127\.0\.0\.1:\d+ \(ReadError\); start it"):
            asyncio.run(consul.get(EntryId("service-defaults", "details")))
        dying.join()
