"""The official Consul Helm chart: which lines of it are known, how they differ, and the values that we give it.

Helm takes unknown keys in silence, so every key here is held against the chart's own `values.yaml` by a test.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from posture.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from posture.model.settings import Settings

__all__ = ["CHART", "GATEWAY_APIS", "REPOSITORY", "ChartLine", "chart_line", "chart_values"]

CHART = "consul"
REPOSITORY = "https://helm.releases.hashicorp.com"
Values = dict[str, Any]


@dataclass(frozen=True)
class ChartLine:
    """What differs from one line of the chart to the next.

    Args:
        gateway_api: The newest version of the Gateway API whose CRDs it brings and its controller serves.
    """

    gateway_api: str


_LINES = {"1.9": ChartLine("v1beta1"), "2.0": ChartLine("v1")}
GATEWAY_APIS = frozenset(line.gateway_api for line in _LINES.values())
"""All versions of the Gateway API that an `up` may have written."""


def chart_line(version: str) -> ChartLine:
    """The line of a chart's version.

    Raises:
        InputError: A version of no line that is known here.
    """
    found = re.fullmatch(r"(\d+\.\d+)\.\d+", version)
    line = _LINES.get(found[1]) if found else None
    if line is None:
        known = " and ".join(f"{known}.x" for known in _LINES)
        raise InputError(f"consulChartVersion '{version}' is not known; {known} are: choose one of them")
    return line


def chart_values(settings: Settings, namespace: str) -> Values:
    """The values for a release that serves one application's namespace, the stack's own values over ours."""
    production = settings.consul_size == "prod"
    values: Values = {
        "global": {
            "name": "consul",
            "tls": {"enabled": True, "verify": True, "enableAutoEncrypt": True, "httpsOnly": True},
            "acls": {"manageSystemACLs": True},
            "gossipEncryption": {"autoGenerate": True},
            "metrics": {"enabled": True, "enableAgentMetrics": True},
        },
        "server": {
            "replicas": 3 if production else 1,
            "storage": "10Gi" if production else "1Gi",
            "resources": _resources("1", "2Gi") if production else _resources("100m", "512Mi"),
            # Without it intentions fall to the ACLs' default policy; L7 ones fail open unless it is deny.
            "extraConfig": json.dumps({"default_intention_policy": "deny"}),
        },
        "connectInject": {
            "enabled": True,
            # A pod is taken into the mesh where its namespace is named here and the pod asks for it.
            "default": False,
            "k8sAllowNamespaces": [namespace],
            "replicas": 2 if production else 1,
            "cni": {"enabled": settings.consul_cni},
            # Else any namespace's service account of a service's name gets its certificate. The chart puts it into a
            # shell's command as it is (templates/server-acl-init-job.yaml).
            "aclBindingRuleSelector": (
                f"""'serviceaccount.namespace=="{namespace}" and serviceaccount.name!="default"'"""
            ),
            # No `envoyExtraArgs: --drain-time-s` as on one machine (ADR 6): consul-dataplane always gives Envoy
            # one of 30 s, and Envoy does not start with two.
            # Limits by rate are counted by each worker.
            "sidecarProxy": {"concurrency": settings.envoy_workers, "resources": _resources("100m", "128Mi")},
            "apiGateway": {
                "manageExternalCRDs": True,
                "managedGatewayClass": {"serviceType": "LoadBalancer" if production else "ClusterIP"},
            },
        },
        "ui": {"enabled": True, "service": {"type": "ClusterIP"}},
    }
    return _merged(values, settings.consul_values)


def _resources(cpu: str, memory: str) -> Values:
    return {"requests": {"cpu": cpu, "memory": memory}, "limits": {"cpu": cpu, "memory": memory}}


def _merged(ours: Values, theirs: Mapping[str, Any]) -> Values:
    merged = dict(ours)
    for key, value in theirs.items():
        both_maps = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merged(merged[key], value) if both_maps else value
    return merged
