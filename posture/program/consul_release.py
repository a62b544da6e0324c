"""Consul itself: a release of the official Helm chart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pulumi
import pulumi_kubernetes as k8s

from posture.model.chart import CHART, REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ConsulRelease", "ConsulReleaseArgs"]

_PATIENCE = 600
"""Seconds; a first release pulls its images."""


@dataclass(frozen=True)
class ConsulReleaseArgs:
    """What to release.

    Args:
        namespace: Where to.
        version: The chart's version.
        path: A copy of the chart; empty for the official one from its repository.
        values: The chart's values.
    """

    namespace: str
    version: str
    path: str
    values: Mapping[str, Any]


class ConsulRelease(pulumi.ComponentResource):
    """A release that is awaited, its jobs too; one that failed is upgraded in place by the next `up`."""

    def __init__(self, name: str, args: ConsulReleaseArgs, opts: pulumi.ResourceOptions) -> None:
        super().__init__("posture:kubernetes:ConsulRelease", name, None, opts)
        k8s.helm.v3.Release(
            CHART,
            name=CHART,
            namespace=args.namespace,
            chart=args.path or CHART,
            version=None if args.path else args.version,
            repository_opts=None if args.path else k8s.helm.v3.RepositoryOptsArgs(repo=REPOSITORY),
            values=args.values,
            timeout=_PATIENCE,
            wait_for_jobs=True,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})
