"""Which cluster a `kubernetes.Provider` means, and as whom: its kubeconfig, context, cluster and namespace.

As the official plugin has it (pulumi-kubernetes 4.32.0, provider.go `Configure`, `DiffConfig`; kubeconfig is a path or
a content): without a kubeconfig, the files that `KUBECONFIG` names or `~/.kube/config`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from posture.cluster.kubeconfig import (
    KubeconfigError,
    client_of,
    default_files,
    make_paths_absolute,
    named,
    parse_kubeconfig,
    read_kubeconfig,
)
from posture.errors import InputError
from posture.local.plugins.provider_server import Failure
from posture.model.yaml_reader import read_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kubernetes.client.api_client import ApiClient

__all__ = ["OPTIONS", "Access", "access", "active_cluster", "flag", "kubeconfig"]

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
    config, name = kubeconfig(options, environment)
    context = named(config, "contexts", name)["context"]
    try:
        client = client_of(config, name)
    except KubeconfigError as error:
        raise Failure(f"the kubeconfig's {error}; correct it") from error
    return Access(client, options.get("namespace") or context.get("namespace") or "default")


def kubeconfig(options: Mapping[str, Any], environment: Mapping[str, str]) -> tuple[dict[str, Any], str]:
    """Return the kubeconfig that options mean, with the cluster that they choose, and its context's name.

    Raises:
        Failure: It can't be read, or has no such context.
    """
    config = _kubeconfig(options, environment)
    name = str(options.get("context") or config.get("current-context") or "")
    context = named(config, "contexts", name).get("context")
    if not context:
        raise Failure(f"the kubeconfig has no context {name!r}; correct the kubernetes provider's context")
    if options.get("cluster"):
        context["cluster"] = options["cluster"]
    return config, name


def active_cluster(options: Mapping[str, Any], environment: Mapping[str, str]) -> dict[str, Any] | None:
    """Return the kubeconfig's entry of the cluster that options mean, or None if they name none that is there."""
    config = _kubeconfig(options, environment)
    context = named(config, "contexts", options.get("context") or config.get("current-context")).get("context", {})
    cluster = named(config, "clusters", options.get("cluster") or context.get("cluster")).get("cluster")
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
            is_content = "\n" in given or given.lstrip().startswith("{")  # JSON is YAML, and may be no file's name
            text = given if is_content or not path.is_file() else read_text(path)
            config = parse_kubeconfig(text, Path("what is given" if text is given else given))
        else:
            config = read_kubeconfig(default_files(environment))
    except (InputError, OSError, KubeconfigError) as error:
        raise Failure(
            f"the kubeconfig can't be read ({error}); correct the kubernetes provider's kubeconfig"
        ) from error
    if not config.get("contexts"):
        raise Failure("there is no kubeconfig with a context; set the kubernetes provider's kubeconfig and context")
    make_paths_absolute(config, Path.cwd())
    return config
