"""A kubeconfig as kubectl reads it, and a client of one of its contexts that leaves no key in a file."""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kubernetes.client.api_client import ApiClient
from kubernetes.client.configuration import Configuration
from kubernetes.config.config_exception import ConfigException
from kubernetes.config.kube_config import KubeConfigLoader, _cleanup_temp_files

from posture.errors import InputError
from posture.model.yaml_reader import read_text, read_yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = [
    "KubeconfigError",
    "client_of",
    "default_files",
    "make_paths_absolute",
    "named",
    "parse_kubeconfig",
    "read_kubeconfig",
]

_SECTIONS = {"clusters": "cluster", "users": "user", "contexts": "context"}
_PATHS = frozenset({"certificate-authority", "client-certificate", "client-key", "tokenFile"})
_CONNECTIONS = 32  # as many requests as anybody has under way, and more


class KubeconfigError(ValueError):
    """A kubeconfig that can't be used; why, without what it holds."""


def default_files(environment: Mapping[str, str]) -> list[Path]:
    """The files that `KUBECONFIG` names, or `~/.kube/config`."""
    home = Path(environment.get("HOME") or Path.home())
    files = (environment.get("KUBECONFIG") or str(home / ".kube" / "config")).split(os.pathsep)
    return [Path(file) for file in files if file]


def read_kubeconfig(files: Iterable[Path]) -> dict[str, Any]:
    """Merge kubeconfigs as kubectl does: the first to say something wins; paths are relative to their own file.

    Raises:
        KubeconfigError: One can't be read.
    """
    merged: dict[str, Any] = {}
    for file in filter(Path.is_file, files):
        try:
            config = parse_kubeconfig(read_text(file), file)
        except InputError as error:
            raise KubeconfigError(str(error)) from None
        make_paths_absolute(config, file.absolute().parent)
        for section in _SECTIONS:
            for entry in config[section]:
                if not named(merged, section, entry.get("name")):
                    merged.setdefault(section, []).append(entry)
        if config.get("current-context"):
            merged.setdefault("current-context", config["current-context"])
    return merged


def parse_kubeconfig(text: str, file: Path) -> dict[str, Any]:
    """A kubeconfig, all three of its sections in it, if only as empty lists; ``file`` is what errors call it.

    Raises:
        KubeconfigError: It is none. What it holds is not quoted, for it may be a token.
    """
    try:
        (read,) = read_yaml(text, file) or [None]
    except (InputError, ValueError):
        raise KubeconfigError(f"{file} is not YAML without aliases") from None
    config = read.data if read else {}
    if not isinstance(config, dict):
        raise KubeconfigError(f"{file} is no map")
    for section, inner in _SECTIONS.items():
        entries = config.get(section) or []
        if not isinstance(entries, list) or not all(_is_entry(entry, inner) for entry in entries):
            raise KubeconfigError(f"'{section}' of {file} is no list of a name and a {inner} each")
        config[section] = entries
    return config


def _is_entry(entry: object, inner: str) -> bool:
    """Whether it is a map with a name and, if anything, a map all of whose paths are texts."""
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
        return False
    values = entry.get(inner) or {}
    return isinstance(values, dict) and all(isinstance(values.get(key, ""), str) for key in _PATHS)


def make_paths_absolute(config: Mapping[str, Any], folder: Path) -> None:
    """Have the paths in a kubeconfig that are relative begin with a folder."""
    for section, inner in _SECTIONS.items():
        for entry in config.get(section) or ():
            values = entry.get(inner) or {}
            values |= {key: str(folder / values[key]) for key in _PATHS & values.keys()}


def named(config: Mapping[str, Any], section: str, name: object) -> dict[str, Any]:
    """An entry of a kubeconfig's section; empty if there is none of that name."""
    return next((entry for entry in config.get(section, ()) if entry.get("name") == name), {})


def client_of(config: Mapping[str, Any], context: str) -> ApiClient:
    """A client that has read its certificates and key; nothing is connected yet.

    The library writes what a kubeconfig holds into temporary files, which a killed process would leave behind.

    Raises:
        KubeconfigError: The context's cluster or user can't be used.
    """
    configuration = Configuration()
    try:
        loader = KubeConfigLoader(config_dict=config, active_context=context)  # type: ignore[no-untyped-call]  # it has no types
        loader.load_and_set(configuration)  # type: ignore[no-untyped-call]
        configuration.connection_pool_maxsize = _CONNECTIONS
        return _with_keys_in_memory(configuration)
    except (ConfigException, OSError, ValueError, AttributeError, LookupError, TypeError) as error:
        # ssl.SSLError is an OSError; the last three are the library's, of a value of another type.
        raise KubeconfigError(f"context '{context}' can't be used ({' '.join(str(error).split())})") from error
    finally:
        _cleanup_temp_files()  # type: ignore[no-untyped-call]


def _with_keys_in_memory(configuration: Configuration) -> ApiClient:
    client = ApiClient(configuration)
    context = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # nor does Go ask for what many a cluster's authority leaves out
    if not configuration.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if configuration.cert_file:
        context.load_cert_chain(configuration.cert_file, configuration.key_file)
    options = client.rest_client.pool_manager.connection_pool_kw
    for key in ("ca_certs", "ca_cert_data", "cert_file", "key_file"):
        options.pop(key, None)
    options["ssl_context"] = context
    return client
