"""Where everything of a local stack is: the files below `.posture/<stack>/`, the addresses and the ports.

All of 127.0.0.0/8 is loopback on Linux, so a stack owns a /16 of it, and every service in it an address with the
ports that it has in production: two stacks, or two versions of a service, never compete for one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from posture.errors import InputError
from posture.model.application import CERTIFICATE, PRIVATE_KEY
from posture.model.names import check_name
from posture.model.settings import consul_host, consul_url, state_folder

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Layout"]

_ADDRESSES_PER_OCTET = 254


@dataclass(frozen=True)
class Layout:
    """The places of one stack; nothing here touches the disk or the network.

    Args:
        stack: The stack's name.
        root: The project's folder.
        network: The first two octets of the stack's /16 of loopback.
        gateway_port: Where the gateway serves HTTPS, on 127.0.0.1, so that `https://localhost:PORT` works.

    Raises:
        InputError: A stack name that can't name a folder.
    """

    stack: str
    root: Path
    network: str = "127.10"
    gateway_port: int = 8443

    def __post_init__(self) -> None:
        check_name("a stack", self.stack)

    @property
    def state(self) -> Path:
        """The folder of all the stack's run-time files (0700), and the working directory of its Envoys."""
        return state_folder(self.root, self.stack)

    @property
    def secrets(self) -> Path:
        """The tokens' secret ids (0600)."""
        return self.state / "tokens.json"

    @property
    def consul_config(self) -> Path:
        """Consul's configuration (0600: it holds the bootstrap token)."""
        return self.state / "consul.json"

    @property
    def consul_data(self) -> Path:
        """What Consul remembers from one start to the next."""
        return self.state / "consul"

    @property
    def envoy(self) -> Path:
        """The Envoys' bootstraps (0600: they hold tokens) and their admin sockets."""
        return self.state / "envoy"

    @property
    def log(self) -> Path:
        """The processes' logs, `NAME.log`."""
        return self.state / "log"

    @property
    def pulumi_state(self) -> Path:
        """Pulumi's file backend."""
        return self.state / "pulumi"

    @property
    def begun(self) -> Path:
        """What an `up` that hasn't come to its end was about to make."""
        return self.state / "begun.json"

    @property
    def passphrase(self) -> Path:
        """The passphrase of Pulumi's secrets (0600)."""
        return self.state / "passphrase"

    @property
    def plugins(self) -> Path:
        """The executables of the Pulumi plugins that stand in for the official ones."""
        return self.state / "plugins"

    @property
    def certificate(self) -> Path:
        """The gateway's certificate; who trusts it trusts this gateway and nobody else."""
        return self.state / CERTIFICATE

    @property
    def private_key(self) -> Path:
        """The certificate's key (0600)."""
        return self.state / PRIVATE_KEY

    @property
    def consul_host(self) -> str:
        """The address that Consul's ports are bound to."""
        return consul_host(self.network)

    @property
    def consul_address(self) -> str:
        """The URL of Consul's HTTP API, and of its UI below `/ui`."""
        return consul_url(self.network)

    def address(self, position: int) -> str:
        """The address of the instance at a position, counted from 0.

        Raises:
            InputError: More instances than the network has room for.
        """
        octet, last = divmod(position, _ADDRESSES_PER_OCTET)
        if octet > _ADDRESSES_PER_OCTET:
            raise InputError(f"no address left in {self.network}.0.0/16; take services out of the application")
        return f"{self.network}.{octet + 1}.{last + 1}"

    def admin_socket(self, name: str) -> Path:
        """The admin API of an instance's Envoy, or of the `gateway`'s: a socket (0600), for it shows the token."""
        return self.envoy / f"{name}.sock"
