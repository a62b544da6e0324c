"""What a service's own proxies hold back from those that it calls, by the configuration of each of its Envoys.

It is not loaded: whether a limit is reached depends on how slow the other side is, which a verification doesn't change.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from posture.model.limit_words import upstream_words
from posture.model.limits import PassiveHealthCheck, UpstreamLimits
from posture.verify.findings import Finding, Outcome, Section

if TYPE_CHECKING:
    from collections.abc import Iterator

    from posture.model.access import Access
    from posture.model.application import Application
    from posture.verify.target import Target

__all__ = ["upstreams_findings"]


def upstreams_findings(target: Target, application: Application, access: Access) -> Iterator[Finding]:
    """One for each instance of a service and each callee that its limits name."""
    for service, limit in access.limits.items():
        if not limit.upstreams or service not in application.services:
            continue
        for instance in target.instances(service):
            dump = target.envoy(instance, "/config_dump?resource=dynamic_active_clusters")
            for callee, wanted in sorted(limit.upstreams.items()):
                yield _finding(f"what {instance} holds back from {callee}", wanted, dump, callee)


def _finding(name: str, wanted: UpstreamLimits, dump: str | None, callee: str) -> Finding:
    expected = ", ".join(upstream_words(wanted))
    if dump is None:
        words = "its Envoy's admin API doesn't answer"
        return Finding(Section.LIMITS, name, Outcome.NOT_MEASURED, expected, words)
    found = [_limits(cluster) for cluster in _clusters(json.loads(dump), callee)]
    if not found:  # where proxies are transparent, Consul tells them of those alone that the service may call
        return Finding(Section.LIMITS, name, Outcome.NOT_MEASURED, expected, "its Envoy knows no such upstream")
    others = [each for each in found if each != wanted]
    if others:
        observed = "; ".join(", ".join(upstream_words(each)) or "nothing is held back" for each in others)
        return Finding(Section.LIMITS, name, Outcome.FAILS, expected, observed)
    return Finding(Section.LIMITS, name, Outcome.HOLDS, expected, "so its Envoy is configured; it was not loaded")


def _clusters(dump: dict[str, Any], callee: str) -> Iterator[dict[str, Any]]:
    """Those of an upstream: Consul's names begin with the service (`connect.ServiceSNI`)."""
    for entry in dump.get("configs", ()):
        cluster = entry["cluster"]
        if cluster["name"].startswith(f"{callee}."):
            yield cluster


def _limits(cluster: dict[str, Any]) -> UpstreamLimits:
    """What an Envoy's cluster says, in a limit's fields."""
    thresholds = (cluster.get("circuit_breakers", {}).get("thresholds") or [{}])[0]
    return UpstreamLimits.model_construct(
        max_connections=thresholds.get("max_connections"),
        max_pending_requests=thresholds.get("max_pending_requests"),
        max_concurrent_requests=thresholds.get("max_requests"),
        passive_health_check=_check(cluster.get("outlier_detection", {})),
    )


def _check(said: dict[str, Any]) -> PassiveHealthCheck | None:
    if "consecutive_5xx" not in said:
        return None
    return PassiveHealthCheck.model_construct(
        max_failures=said["consecutive_5xx"],
        interval=_seconds(said["interval"]),
        base_ejection_time=_seconds(said["base_ejection_time"]),
        max_ejection_percent=said["max_ejection_percent"],
    )


def _seconds(duration: str) -> float:
    """As in "5s", which is how protobuf writes a duration in JSON."""
    return float(duration.removesuffix("s"))
