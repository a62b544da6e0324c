"""Places for the nodes of a small directed graph: callers left, called right, as few crossings as a few sweeps find."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["layers"]

Edge = tuple[str, str]


def layers(nodes: Iterable[str], edges: Iterable[Edge]) -> list[list[str]]:
    """The nodes by layer, each as far right as its longest chain of callers (Sugiyama's method, simplified)."""
    called: dict[str, dict[str, None]] = {node: {} for node in nodes}
    for source, to in edges:
        if source != to:
            called[source][to] = None
    depth = _depths(called)
    callers: dict[str, list[str]] = {node: [] for node in called}
    for source, targets in called.items():
        for to in targets:
            callers[to].append(source)
    found: list[list[str]] = [[] for _ in range(max(depth.values(), default=0) + 1)]
    for node in called:
        found[depth[node]].append(node)
    for _ in range(4):
        _sweep(found, callers)
        _sweep(found[::-1], called)
    return found


def _depths(called: dict[str, dict[str, None]]) -> dict[str, int]:
    """How long each node's longest chain of callers is; takes a call out of each circle.

    It is the first one that the search went along: without the last one, which closes the circle, services that all
    call each other would be drawn as a single chain.
    """
    done: dict[str, None] = {}
    for start, targets in called.items():
        path: dict[str, Iterator[str]] = {} if start in done else {start: iter([*targets])}
        while path:
            node = next(reversed(path))
            to = next((each for each in path[node] if each not in done), None)
            if to is None:
                del path[node]
                done[node] = None
            elif to in path:
                while next(reversed(path)) != to:
                    first, _ = path.popitem()
                del called[to][first]
            else:
                path[to] = iter([*called[to]])
    depth = dict.fromkeys(called, 0)
    for node in reversed(done):
        for to in called[node]:
            depth[to] = max(depth[to], depth[node] + 1)
    return depth


def _sweep(found: list[list[str]], neighbours: Mapping[str, Iterable[str]]) -> None:
    """Put each node where the middle of its neighbours in the layers before is."""
    place: dict[str, float] = {}
    for layer in found:
        for i, node in enumerate(layer):
            seen = [place[other] for other in neighbours[node] if other in place]
            place[node] = sum(seen) / len(seen) if seen else (i + 0.5) / len(layer)
        layer.sort(key=lambda node: place[node])
        for i, node in enumerate(layer):
            place[node] = (i + 0.5) / len(layer)
