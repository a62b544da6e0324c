"""Where a stack's objects go in a cluster, and how they are marked as the stack's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["MANAGED_BY", "Manifest", "Placement"]

Manifest = dict[str, Any]
"""A Kubernetes object in the API's JSON."""

MANAGED_BY = "consul-posture"


@dataclass(frozen=True)
class Placement:
    """The names that a stack's objects have in common.

    Args:
        stack: The stack that owns them.
        application: The application that they belong to.
        namespace: Where the application runs.
        consul_namespace: Where Consul runs; what holds for the whole mesh is kept there.
        gateway_api: The version of the Gateway API that Consul's controller serves.
        certificate_namespace: Where the gateway's TLS Secret is.
        certificate_name: Its name.
    """

    stack: str
    application: str
    namespace: str
    consul_namespace: str
    gateway_api: str
    certificate_namespace: str
    certificate_name: str

    @property
    def labels(self) -> dict[str, str]:
        """The labels of every object of the stack; Kubernetes' recommended ones."""
        return {
            "app.kubernetes.io/managed-by": MANAGED_BY,
            "app.kubernetes.io/part-of": self.application,
            "app.kubernetes.io/instance": self.stack,
        }

    def metadata(self, name: str, namespace: str | None = None) -> Manifest:
        """An object's metadata; in the application's namespace if none is named."""
        return {"name": name, "namespace": namespace or self.namespace, "labels": self.labels}
