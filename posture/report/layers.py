"""Places for the nodes of a small directed graph: callers left, called right, as few crossings as a few sweeps find."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["layers"]

Edge = tuple[str, str]


def layers(nodes: Iterable[str], edges: Iterable[Edge]) -> list[list[str]]:
    """The nodes by layer, each as far right as its longest chain of callers (Sugiyama's method, simplified)."""
    known = list(dict.fromkeys(nodes))
    forward = {edge for edge in edges if edge[0] != edge[1]}
    depth = _depths(known, forward)
    found: list[list[str]] = [[] for _ in range(max(depth.values(), default=0) + 1)]
    for node in known:
        found[depth[node]].append(node)
    for _ in range(4):
        _sweep(found, {(to, source) for source, to in forward})
        _sweep(found[::-1], forward)
    return found


def _depths(nodes: list[str], forward: set[Edge]) -> dict[str, int]:
    while True:
        sorter = TopologicalSorter({node: {source for source, to in forward if to == node} for node in nodes})
        try:
            order = list(sorter.static_order())
            break
        except CycleError as error:
            cycle = error.args[1]
            forward.discard((cycle[0], cycle[1]))
    depth: dict[str, int] = {}
    for node in order:
        depth[node] = max((depth[source] + 1 for source, to in forward if to == node), default=0)
    return depth


def _sweep(found: list[list[str]], towards: set[Edge]) -> None:
    """Put each node where the middle of its neighbours in the layers before is."""
    place: dict[str, float] = {}
    for layer in found:
        for node in list(layer):
            seen = [place[other] for at, other in towards if at == node and other in place]
            place[node] = sum(seen) / len(seen) if seen else (layer.index(node) + 0.5) / len(layer)
        layer.sort(key=lambda node: place[node])
        for i, node in enumerate(layer):
            place[node] = (i + 0.5) / len(layer)
