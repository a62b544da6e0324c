"""What the services read from their environment, each value checked before anything listens."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from posture.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Listener", "read_url", "read_value"]

HIGHEST_PORT = 65535


def read_value(environ: Mapping[str, str], name: str, example: str) -> str:
    """Return the value of a variable that must be there.

    Raises:
        InputError: It is unset or empty; the message shows `example`.
    """
    value = environ.get(name, "").strip()
    if not value:
        raise InputError(f"{name} is not set; set it, for instance to {example}")
    return value


def read_url(environ: Mapping[str, str], name: str) -> str:
    """Return an upstream's base URL, without a slash at its end.

    Only plain `http` is taken: between services it is the sidecars that speak TLS.

    Raises:
        InputError: It is unset, or more or less than scheme, host and port.
    """
    example = "http://127.10.1.1:9101"
    value = read_value(environ, name, example).rstrip("/")
    try:
        parts = urlsplit(value)
        usable = parts.port != 0 and parts.hostname is not None and value == f"http://{parts.netloc}"
    except ValueError:  # what urlsplit says to a port that is none
        usable = False
    if not usable or "@" in value:
        raise InputError(f"{name} is {value!r}, not an upstream's address; use the form {example}")
    return value


class Listener(NamedTuple):
    """Where a service accepts connections: an IPv4 loopback address and a TCP port (1 to 65535)."""

    address: str
    port: int

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Listener:
        """Read `LISTEN_ADDRESS` and `LISTEN_PORT`.

        Raises:
            InputError: One is unset or can't be used; other machines must never reach these services past
                their sidecars, so an address outside 127.0.0.0/8 is refused.
        """
        address = read_value(environ, "LISTEN_ADDRESS", "127.10.1.1")
        try:
            loopback = ipaddress.IPv4Address(address).is_loopback
        except ValueError:
            loopback = False
        if not loopback:
            raise InputError(f"LISTEN_ADDRESS is {address!r}; use an address in 127.0.0.0/8")
        port = read_value(environ, "LISTEN_PORT", "9080")
        if not (port.isascii() and port.isdigit() and 1 <= int(port[:6]) <= HIGHEST_PORT):
            raise InputError(f"LISTEN_PORT is {port!r}; use a number from 1 to {HIGHEST_PORT}")
        return cls(address, int(port))
