"""What a stack is set to: the project's typed configuration (`Pulumi.yaml`) with the stack's own values over it.

The engine hands a program these values; the command line needs them before the engine runs, so it reads the files.
"""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, StringConstraints

from posture.errors import InputError
from posture.model.application import CERTIFICATE, PRIVATE_KEY, Application, Port, load_application
from posture.model.cluster import ClusterSettings
from posture.model.document import Document, nearest, read_document
from posture.model.limit_fields import Edition, Proxies
from posture.model.names import check_name
from posture.model.posture import Posture, load_posture
from posture.model.shape import parse
from posture.model.yaml_reader import read_text

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "GATEWAY_KEY",
    "KEY_IN_PLAIN_TEXT",
    "SEALED",
    "Settings",
    "consul_host",
    "consul_url",
    "not_secret",
    "project_settings",
    "read_settings",
    "settings_from",
    "stacks",
    "state_folder",
    "target_of",
]

_NAMESPACE = "consul-posture:"
_TARGET = re.compile(r"""^(?:[^#\n]*\bconsul-posture:|\s*["']?)target["']?\s*:\s*["']?(\w+)""", re.MULTILINE)
GATEWAY_KEY = "gatewayKey"
"""The one key whose value is a secret."""
KEY_IN_PLAIN_TEXT = f"'{GATEWAY_KEY}' is in plain text; set it with: pulumi config set --secret {GATEWAY_KEY}"
SEALED = "[secret]"
"""Stands for a secret value, which only the engine can read."""


def consul_host(network: str) -> str:
    """The address that the Consul of a local target's network is bound to."""
    return f"{network}.0.1"


def consul_url(network: str) -> str:
    """The URL of its HTTP API, and of its UI below `/ui`."""
    return f"http://{consul_host(network)}:8500"


class Settings(ClusterSettings):
    """The values of a stack's configuration, keyed in files as ``consul-posture:KEY``."""

    target: Literal["local", "kubernetes"] = "local"
    application: str = "bookinfo"
    posture: str = "layered-allow"
    through: str = ""
    edition: Edition = Edition.COMMUNITY
    envoy_workers: Annotated[int, Field(strict=False, ge=1, le=64)] = 1
    local_network: Annotated[str, StringConstraints(pattern=r"^127\.(\d|[1-9]\d|1\d\d|2[0-4]\d|25[0-5])$")] = "127.10"
    gateway_port: Annotated[Port, Field(strict=False)] = 8443

    @property
    def proxies(self) -> Proxies:
        """What runs the posture, as far as what it compiles to depends on it."""
        # consul-k8s starts an API gateway's Envoy with one worker, whatever its chart is told (its `gatekeeper`).
        of_gateway = 1 if self.target == "kubernetes" else self.envoy_workers
        return Proxies(self.edition, self.envoy_workers, of_gateway)

    @property
    def consul_address(self) -> str:
        """The URL of the local target's Consul: its HTTP API, and its UI below `/ui`."""
        return consul_url(self.local_network)

    def under(self, posture: str | None) -> Settings:
        """The same with another posture in full; as they are where none is named."""
        return self if posture is None else self.model_copy(update={"posture": posture, "through": ""})

    def load(self, project: Path, *, anywhere: bool = False) -> tuple[Application, Posture]:
        """Read the application and the posture that these settings name from the project's folder.

        Args:
            project: The folder.
            anywhere: Whether they are read for what they say alone, whatever the target needs of them to run.

        Raises:
            InputError: What is wrong in the files or the names.
        """
        application = self.load_application(project, anywhere=anywhere)
        posture = load_posture(project / "stacks", self.posture, application)
        return application, posture.through(self.through) if self.through else posture

    def load_application(self, project: Path, *, anywhere: bool = False) -> Application:
        """Read the application alone; arguments as of `load`.

        Raises:
            InputError: What is wrong in its file or name.
        """
        known = sorted(file.stem for file in (project / "apps").glob("*.yaml"))
        if self.application not in known:
            raise InputError(f"no application '{self.application}'; {nearest(self.application, known)}")
        check_name("an application", self.application)
        file = project / "apps" / f"{self.application}.yaml"
        application = load_application(file)
        changes = {"port": self.gateway_port, "hostname": self.gateway_hostname or application.gateway.hostname}
        gateway = application.gateway.model_copy(update=changes)
        application = application.model_copy(update={"gateway": gateway})
        if anywhere:
            return application
        if self.target == "kubernetes":
            self.check_cluster(project, application)
        else:
            _check_local(file, application)
        return application


def _check_local(file: Path, application: Application) -> None:
    """Refuse a certificate of the user's own, which the local target would write over with one that it makes."""
    gateway = application.gateway
    for key, named, made in (
        ("certificate", gateway.certificate, CERTIFICATE),
        ("privateKey", gateway.private_key, PRIVATE_KEY),
    ):
        if named != made:
            message = f"'{key}' is '{named}', but the local target makes its own, '{made}'; remove the key"
            read_document(file).fail(message, "gateway", key)


def settings_from(stack: str, values: Mapping[str, Any]) -> Settings:
    """Settings from values by key, as the engine hands them to a program.

    Raises:
        InputError: A value that can't be.
    """
    return parse(Document(Path(f"Pulumi.{stack}.yaml"), dict(values), {}), Settings)


def project_settings(project: Path) -> Settings:
    """What a stack is set to whose own file says nothing.

    Raises:
        InputError: A key or value that can't be, by file and line.
    """
    return parse(_defaults(project), Settings)


def state_folder(project: Path, stack: str) -> Path:
    """Where a local stack keeps what it runs with; its Envoys' working directory."""
    return project.absolute() / ".posture" / stack


def read_settings(project: Path, stack: str) -> Settings:
    """Settings from the project's files, for what runs before the engine.

    Raises:
        InputError: No such stack, or a key or value that can't be, by file and line.
    """
    _check_stack(project, stack)
    defaults = _defaults(project)
    parse(defaults, Settings)
    own = _configured(project / f"Pulumi.{stack}.yaml")
    data = {key: _unsealed(value) for key, value in own.data.items()}
    if data.get(GATEWAY_KEY) not in {None, "", SEALED}:
        own.fail(KEY_IN_PLAIN_TEXT, GATEWAY_KEY)
    for key, value in own.data.items():
        if key != GATEWAY_KEY and _has_secret(value):
            own.fail(not_secret(key), key)
    return parse(Document(own.file, {**defaults.data, **data}, own.lines), Settings)


def _defaults(project: Path) -> Document:
    """What the engine takes where a stack says nothing: a key's default in `Pulumi.yaml`, or the value there.

    As in Pulumi's `mergeConfig` (pulumi/pkg v3.259.0, workspace/config.go).
    """
    file = project / "Pulumi.yaml"
    if not file.exists():
        return Document(file, {}, {})
    found = _configured(file)
    data = {}
    for key, value in found.data.items():
        typed = value if isinstance(value, dict) else {"value": value}
        default = typed.get("value") if typed.get("default") is None else typed["default"]
        if default is not None:
            data[key] = default
    return Document(file, data, found.lines)


def _configured(file: Path) -> Document:
    """What is below `config` of a project's or a stack's file, by the keys of our namespace without it.

    Keys without a namespace are the project's own, in both (the engine writes a stack's with it).
    """
    document = read_document(file)
    config = document.data.get("config") or {}
    if not isinstance(config, dict):
        document.fail("'config' must be a map; write 'key: value' lines below it", "config")
    short = {key: key.removeprefix(_NAMESPACE) for key in config if ":" not in key.removeprefix(_NAMESPACE)}
    lines = {
        (short[str(place[1])], *place[2:]): line
        for place, line in document.lines.items()
        if len(place) > 1 and place[0] == "config" and place[1] in short
    }
    return Document(file, {name: config[key] for key, name in short.items()}, lines)


def not_secret(key: str) -> str:
    """Why a key may hold no secret: its value becomes plain inputs of resources."""
    return f"'{key}' holds a secret, which Pulumi's state would have in plain text; put it into a Secret of the cluster"


def _has_secret(value: Any) -> bool:  # noqa: ANN401 - any YAML value
    if isinstance(value, dict):
        sealed = len(value) == 1 and isinstance(value.get("secure"), str)
        return sealed or any(map(_has_secret, value.values()))
    return isinstance(value, list) and any(map(_has_secret, value))


def _unsealed(value: Any) -> Any:  # noqa: ANN401 - any YAML value
    """A value as it is, but a secret one, which only the engine can read, as a word."""
    return SEALED if isinstance(value, dict) and value.keys() == {"secure"} else value


def target_of(project: Path, stack: str) -> str:
    """A stack's target, even where its other settings can't be read; `local` where nothing else is said.

    Raises:
        InputError: No such stack, or no file of it that can be read.
    """
    _check_stack(project, stack)
    file = project / f"Pulumi.{stack}.yaml"
    said = None
    with suppress(InputError):
        said = _configured(file).data.get("target")
    if said is None and (found := _TARGET.search(read_text(file))):
        said = found[1]  # what a stack has in a cluster is not to be left there for a mistake anywhere in the file
    return str(said or _defaults(project).data.get("target", "local"))


def _check_stack(project: Path, stack: str) -> None:
    if stack not in stacks(project):
        message = f"no stack '{stack}'; {nearest(stack, stacks(project))}; a new one is a copy of Pulumi.dev.yaml"
        raise InputError(f"{message} with a localNetwork and a gatewayPort of its own")
    check_name("a stack", stack)


def stacks(project: Path) -> list[str]:
    """The names of the project's stacks."""
    return sorted(file.name.split(".", 1)[1].removesuffix(".yaml") for file in project.glob("Pulumi.*.yaml"))
