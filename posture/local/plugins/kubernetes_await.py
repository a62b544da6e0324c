"""When an object counts as ready, and when as gone.

As the official plugin has it (pulumi-kubernetes 4.32.0, metadata/overrides.go, await/): the annotation
`pulumi.com/waitFor` names conditions; without it Deployments and Services have rules of their own and everything
else is ready at once. A condition without `observedGeneration` is believed, old or not, so on an update
`condition=Synced` holds at once.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from posture.local.plugins.kubernetes_object import annotation, name_of
from posture.local.plugins.provider_server import Failure

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from posture.local.plugins.kubernetes_api import Cluster

__all__ = ["deadline", "unready", "until_gone", "until_ready", "wait_expressions"]

_TIMEOUT = 600.0  # seconds
_INTERVAL = (0.2, 2.0)  # seconds between looks: the first, the longest
_SETTLED = 10.0  # seconds for which a Service's endpoints must have stayed as they are
_DELETED_WITHOUT_WAIT = frozenset({("apps/v1", "Deployment"), ("v1", "Namespace")})
_JSONPATH = re.compile(r"\{\s*\$?(?P<path>(?:\.[\w-]+|\['[^']+'\]|\[\d+\])+)\s*\}(?:=(?P<value>.+))?")


@dataclass
class _Endpoints:
    """The version of a Service's endpoints that was seen last, and since when, on the monotonic clock."""

    version: str = ""
    since: float = 0.0


def deadline(asked: float, inputs: Mapping[str, Any]) -> float:
    """Return when to give up, on the monotonic clock: the resource's own timeout, its annotation's, or ten minutes."""
    text = annotation(inputs, "timeoutSeconds")
    return time.monotonic() + (asked or (float(text) if text.isdecimal() else _TIMEOUT))


def wait_expressions(inputs: Mapping[str, Any]) -> list[str]:
    """Return what `pulumi.com/waitFor` asks for.

    Raises:
        Failure: It is no expression that we know.
    """
    text = annotation(inputs, "waitFor")
    try:
        parsed = json.loads(text)
    except ValueError:
        parsed = None
    expressions = parsed if isinstance(parsed, list) else [text] if text else []
    for expression in map(str, expressions):
        kind, _, rest = expression.partition("=")
        if not (kind == "condition" and rest) and not (kind == "jsonpath" and _JSONPATH.fullmatch(rest)):
            raise Failure(
                f"pulumi.com/waitFor: {expression!r} is not understood; write condition=TYPE[=STATUS] or "
                "jsonpath={.path}[=VALUE] (filters need the official plugin)"
            )
    return list(map(str, expressions))


async def until_ready(
    cluster: Cluster, inputs: Mapping[str, Any], live: dict[str, Any], until: float
) -> dict[str, Any]:
    """Wait until an object that was created or updated is ready.

    Args:
        cluster: Where it is.
        inputs: Their annotations say what to wait for.
        live: What the API server answered to the change.
        until: When to give up.

    Returns:
        The object as it is then.

    Raises:
        Failure: It isn't ready in time; what is missing is said.
    """
    if annotation(inputs, "skipAwait") == "true":
        return live
    endpoints = _Endpoints()
    why = await unready(cluster, live, endpoints)
    async for _ in _looks(cluster, until):
        if not why:
            return live
        live = await cluster.get(live) or live
        why = await unready(cluster, live, endpoints)
    if not (why and await unready(cluster, live)):  # at the end, a Service's endpoints need not have come to rest
        return live
    raise Failure(f"{name_of(live)} is not ready in time: {why}")


async def unready(cluster: Cluster, live: Mapping[str, Any], endpoints: _Endpoints | None = None) -> str:
    """Say what an object lacks to be ready, or nothing.

    Args:
        cluster: Where it is.
        live: The object.
        endpoints: What was seen of a Service's earlier; without it, they need not have come to rest.
    """
    expressions = wait_expressions(live)
    if expressions:
        return "; ".join(filter(None, (_lacks(live, expression) for expression in expressions)))
    match live["apiVersion"], live["kind"]:
        case "apps/v1", "Deployment":
            return _deployment(live)
        case "v1", "Service":
            return await _service(cluster, live, endpoints)
    return ""


async def until_gone(cluster: Cluster, inputs: Mapping[str, Any], live: Mapping[str, Any], until: float) -> None:
    """Wait until a deleted object is gone, or another of its name is there.

    Raises:
        Failure: It is still there; the finalizers that hold it are named.
    """
    if annotation(inputs, "skipAwait") == "true" and (live["apiVersion"], live["kind"]) in _DELETED_WITHOUT_WAIT:
        return
    rest: Mapping[str, Any] = live
    async for _ in _looks(cluster, until):
        seen = await cluster.get(live)
        if seen is None or seen["metadata"]["uid"] != live["metadata"].get("uid", seen["metadata"]["uid"]):
            return
        rest = seen
    held = ", ".join([*rest["metadata"].get("finalizers", ()), *rest.get("spec", {}).get("finalizers", ())])
    conditions = [each for each in rest.get("status", {}).get("conditions", ()) if each.get("status") == "True"]
    words = "; ".join(str(each["message"]) for each in conditions if each.get("message"))
    raise Failure(
        f"{name_of(live)} is not gone in time: {f'held by finalizer {held}' if held else 'nothing says what holds it'}"
        + (f" ({words})" if words and live["kind"] == "Namespace" else "")
    )


async def _looks(cluster: Cluster, until: float) -> AsyncIterator[None]:
    """Come round at growing intervals, until it is time or the user stops the engine."""
    interval, longest = _INTERVAL
    while True:
        yield
        if time.monotonic() >= until or cluster.stopping:
            return
        await asyncio.sleep(interval)
        interval = min(interval * 1.5, longest)


def _lacks(live: Mapping[str, Any], expression: str) -> str:
    how, _, rest = expression.partition("=")
    if how == "jsonpath":
        return _lacks_value(live, rest)
    kind, _, wanted = rest.partition("=")
    wanted = wanted or "True"
    for condition in live.get("status", {}).get("conditions", ()):
        if str(condition.get("type", "")).lower() == kind.lower():
            if _outdated(live, condition.get("observedGeneration", live["status"].get("observedGeneration"))):
                return f"condition {kind} is of an earlier generation"
            if str(condition.get("status", "")).lower() == wanted.lower():
                return ""
            reason = ": ".join(filter(None, (condition.get("reason"), condition.get("message"))))
            return f"condition {kind} is {condition.get('status')}, not {wanted}" + (f" ({reason})" if reason else "")
    return f"it has no condition {kind}"


def _lacks_value(live: Mapping[str, Any], expression: str) -> str:
    match = _JSONPATH.fullmatch(expression)
    if match is None or _outdated(live, live.get("status", {}).get("observedGeneration")):
        return f"its status is not of this generation, for {expression}"
    found: Any = live
    for name, quoted, index in re.findall(r"\.([\w-]+)|\['([^']+)'\]|\[(\d+)\]", match["path"]):
        try:
            found = found[int(index) if index else name or quoted]
        except (IndexError, KeyError, TypeError):
            return f"{match['path']} selects nothing"
    text = json.dumps(found) if isinstance(found, bool) else str(found)
    if match["value"] in {None, text}:
        return ""
    return f"{match['path']} is {text}, not {match['value']}"


def _outdated(live: Mapping[str, Any], observed: Any) -> bool:  # noqa: ANN401 - JSON of any kind
    return observed is not None and observed < live["metadata"].get("generation", 0)


def _deployment(live: Mapping[str, Any]) -> str:
    """Say what a Deployment lacks: its controller has seen it, the new replicas are available, the old ones gone."""
    status, wanted = live.get("status", {}), live["spec"].get("replicas", 1)
    if status.get("observedGeneration", 0) < live["metadata"]["generation"]:
        return "its controller has not seen it yet"
    conditions = {each["type"]: each for each in status.get("conditions", ())}
    available, progressing = conditions.get("Available", {}), conditions.get("Progressing", {})
    counts = f"{status.get('availableReplicas', 0)} of {wanted} replicas are available"
    done = (
        available.get("status") == "True"
        and progressing.get("status", "True") == "True"
        and status.get("updatedReplicas", 0) >= wanted
        and status.get("availableReplicas", 0) >= wanted
        and status.get("replicas", 0) <= wanted
    )
    failing = [each["message"] for each in (available, progressing) if each.get("status") == "False"]
    return "" if done else "; ".join([counts, *failing])


async def _service(cluster: Cluster, live: Mapping[str, Any], seen: _Endpoints | None) -> str:
    """Say what a Service lacks: its address, and endpoints that are ready and have come to rest."""
    spec = live["spec"]
    if spec.get("type") == "LoadBalancer" and not live.get("status", {}).get("loadBalancer", {}).get("ingress"):
        return "no address was allocated for its load balancer"
    if spec.get("type") == "ExternalName" or spec.get("clusterIP") == "None" or not spec.get("selector"):
        return ""
    endpoints = await cluster.get({**live, "kind": "Endpoints"}) or {}
    if any(subset.get("notReadyAddresses") for subset in endpoints.get("subsets", ())):
        return "some of its endpoints are not ready"
    if seen is None:
        return ""
    version = endpoints.get("metadata", {}).get("resourceVersion", "")
    if version != seen.version:
        seen.version, seen.since = version, time.monotonic()
    at_rest = version and time.monotonic() - seen.since >= _SETTLED
    return "" if at_rest else "its endpoints have not come to rest; its selector may match no pod"
