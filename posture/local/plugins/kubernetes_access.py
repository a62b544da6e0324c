"""Which cluster a `kubernetes.Provider` means, and as whom: its kubeconfig, context, cluster and namespace.

As the official plugin has it (pulumi-kubernetes 4.32.0, provider.go `Configure`, `DiffConfig`; kubeconfig is a path or
a content): without a kubeconfig, the files that `KUBECONFIG` names or `~/.kube/config`.
"""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml
from kubernetes.client.api_client import ApiClient
from kubernetes.client.configuration import Configuration
from kubernetes.config.config_exception import ConfigException
from kubernetes.config.kube_config import KubeConfigLoader, _cleanup_temp_files

from posture.local.plugins.provider_server import Failure

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["OPTIONS", "Access", "access", "active_cluster", "flag"]

OPTIONS = frozenset(
    {
        "cluster",
        "clusterIdentifier",
        "context",
        "deleteUnreachable",
        "enableConfigMapMutable",
        "enablePatchForce",
        "enableSecretMutable",
        "enableServerSideApply",
        "kubeconfig",
        "namespace",
        "suppressDeprecationWarnings",
        "suppressHelmHookWarnings",
    }
)
"""The provider's inputs that this stand-in knows; `version` and `pluginDownloadURL` are the engine's."""

_PATHS = frozenset({"certificate-authority", "client-certificate", "client-key", "tokenFile"})
_CONNECTIONS = 32  # as many requests as the engine may have under way, and more


class Access(NamedTuple):
    """A way to a cluster.

    Attributes:
        client: Makes requests, with the user's credentials.
        namespace: Of objects that name none.
    """

    client: ApiClient
    namespace: str


def access(options: Mapping[str, Any], environment: Mapping[str, str]) -> Access:
    """Find the way to the cluster; nothing is connected yet.

    Args:
        options: The provider's inputs by their Pulumi names.
        environment: Whose `KUBECONFIG` and `HOME` say where a kubeconfig is, if no input does.

    Raises:
        Failure: The kubeconfig can't be read, or has no such context, cluster or user.
    """
    config = _kubeconfig(options, environment)
    name = options.get("context") or config.get("current-context") or ""
    context = _named(config, "contexts", name).get("context")
    if not context:
        raise Failure(f"the kubeconfig has no context {name!r}; correct the kubernetes provider's context")
    if options.get("cluster"):
        context["cluster"] = options["cluster"]
    configuration = Configuration()
    try:
        loader = KubeConfigLoader(config_dict=config, active_context=name)  # type: ignore[no-untyped-call]  # it has no types
        loader.load_and_set(configuration)  # type: ignore[no-untyped-call]
        configuration.connection_pool_maxsize = _CONNECTIONS
        configuration.retries = False  # a server that doesn't answer is said at once
        client = _client(configuration)
    except (ConfigException, OSError, ValueError) as error:  # ssl.SSLError is an OSError
        words = " ".join(str(error).split())
        raise Failure(f"the kubeconfig's context {name!r} can't be used ({words}); correct it") from error
    finally:
        _cleanup_temp_files()  # type: ignore[no-untyped-call]
    return Access(client, options.get("namespace") or context.get("namespace") or "default")


def active_cluster(options: Mapping[str, Any], environment: Mapping[str, str]) -> dict[str, Any] | None:
    """Return the kubeconfig's entry of the cluster that options mean, or None if they name none that is there."""
    config = _kubeconfig(options, environment)
    context = _named(config, "contexts", options.get("context") or config.get("current-context")).get("context", {})
    cluster = _named(config, "clusters", options.get("cluster") or context.get("cluster")).get("cluster")
    return dict(cluster) if cluster else None


def flag(options: Mapping[str, Any], name: str, *, default: bool = False) -> bool:
    """Return a provider's yes or no, which may be a text."""
    return default if options.get(name) in {None, ""} else str(options[name]).lower() == "true"


def _kubeconfig(options: Mapping[str, Any], environment: Mapping[str, str]) -> dict[str, Any]:
    given = str(options.get("kubeconfig") or "")
    home = Path(environment.get("HOME") or Path.home())
    try:
        if given:
            path = Path(home, given[2:]) if given.startswith("~/") else Path(given)
            config = yaml.safe_load(path.read_text() if "\n" not in given and path.is_file() else given)
        else:
            files = (environment.get("KUBECONFIG") or str(home / ".kube" / "config")).split(os.pathsep)
            config = _merged([Path(file) for file in files if file and Path(file).is_file()])
    except OSError as error:
        raise Failure(
            f"the kubeconfig can't be read ({error}); correct the kubernetes provider's kubeconfig"
        ) from error
    except yaml.YAMLError:  # its words would quote the text, which may hold a token
        raise Failure(
            "the kubeconfig can't be read (it is not YAML); correct the kubernetes provider's kubeconfig"
        ) from None
    if not isinstance(config, dict) or not config.get("contexts"):
        raise Failure("there is no kubeconfig with a context; set the kubernetes provider's kubeconfig and context")
    return config


def _client(configuration: Configuration) -> ApiClient:
    """Return a client that has read the certificates and the key, so that the files may go in which they were.

    The loader writes what a kubeconfig holds into temporary files, and a process that is killed would leave them.
    """
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


def _merged(files: list[Path]) -> dict[str, Any]:
    """Merge kubeconfigs as kubectl does: the first to say something wins; paths are relative to their own file."""
    merged: dict[str, Any] = {}
    for file in files:
        config = yaml.safe_load(file.read_text()) or {}
        for section, inner in (("clusters", "cluster"), ("users", "user"), ("contexts", "context")):
            for entry in config.get(section) or ():
                values = entry.get(inner) or {}
                values |= {key: str(file.absolute().parent / values[key]) for key in _PATHS & values.keys()}
                if not _named(merged, section, entry.get("name")):
                    merged.setdefault(section, []).append(entry)
        if config.get("current-context"):
            merged.setdefault("current-context", config["current-context"])
    return merged


def _named(config: Mapping[str, Any], section: str, name: object) -> dict[str, Any]:
    entries = config.get(section) or []
    return next((entry for entry in entries if isinstance(entry, dict) and entry.get("name") == name), {})
