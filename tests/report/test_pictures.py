"""Pictures of large meshes, and of those that call each other in circles."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from posture.model.access import Access
from posture.model.entries import Entry, Kind, compile_entries
from posture.model.matrix import matrix
from posture.report.calls import State, calls
from posture.report.layers import layers
from tests.bench.made import made_application, made_posture

if TYPE_CHECKING:
    from collections.abc import Iterator

    from posture.model.matrix import Matrix

ROOT = Path(__file__).parents[2]
Edge = tuple[str, str]


def circular(size: int, seed: int) -> list[Edge]:
    """Calls of a mesh most of whose services call each other by way of others."""
    services = made_application(size, seed).services
    return [(name, call.to) for name, service in services.items() for call in service.calls]


def made_matrix(seed: int) -> Matrix:
    """Rules for some of the calls and for others that nobody declares; some services are open to all but a few."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    application = made_application(12, seed)
    entries = []
    for entry in compile_entries(application, made_posture(application, "writing")):
        if entry.kind is not Kind.SERVICE_INTENTIONS or entry.name == "*":
            entries.append(entry)
        elif chance.random() < 0.8:
            others = {"Name": "*", "Action": "allow" if chance.random() < 0.3 else "deny"}
            kept = [each for each in entry.body["Sources"] if each["Name"] != "*" and chance.random() < 0.7]
            names = chance.sample([*application.services], 4)
            more = [{"Name": name, "Action": chance.choice(("allow", "deny"))} for name in names]
            sources = {each["Name"]: each for each in (*more, *kept, others)}
            entries.append(Entry(entry.kind, entry.name, {**entry.body, "Sources": [*sources.values()]}))
    return matrix(Access(entries), application, "made")


@pytest.mark.parametrize("seed", range(20))
def test_open_calls_are_those_of_all_cells_in_their_order(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cells themselves are not gone through: a thousand services have six million."""
    made = made_matrix(seed)
    declared = {(source, sample.destination) for source, sample in made.declared}
    pairs = dict.fromkeys((cell.source, cell.destination) for cell in made.cells() if cell.allowed)
    wanted = [pair for pair in pairs if pair not in declared]

    def none(_: Matrix) -> Iterator[None]:
        raise AssertionError("all cells are gone through")

    monkeypatch.setattr(type(made), "cells", none)
    found = calls(made)
    assert [(each.source, each.destination) for each in found if each.state is State.UNDECLARED] == wanted


def test_large_meshes_with_circles_are_drawn_in_a_moment() -> None:
    nodes, edges = made_application(400).services, circular(400, 1)
    begun = time.process_time()
    found = layers(nodes, edges)
    assert time.process_time() - begun < 2
    assert sorted(name for layer in found for name in layer) == sorted(nodes)
    assert len(found) < len(nodes) / 4, "not a single chain"


def test_circles_are_drawn_alike_in_each_run() -> None:
    program = "from tests.report.test_pictures import *; print(layers(made_application(20).services, circular(20, 1)))"

    def drawn(seed: int) -> str:
        environment = {**os.environ, "PYTHONHASHSEED": str(seed), "PYTHONPATH": str(ROOT)}
        return subprocess.run(
            [sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
        ).stdout

    assert len({drawn(seed) for seed in range(3)}) == 1


@pytest.mark.parametrize("seed", range(20))
def test_calls_that_are_part_of_no_circle_lead_to_the_right(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - no secret
    nodes = [f"n{number}" for number in range(14)]
    edges = [(chance.choice(nodes), chance.choice(nodes)) for _ in range(18)]
    reached = {node: {node} for node in nodes}
    for _ in nodes:
        for source, to in edges:
            reached[source] |= reached[to]
    column = {name: x for x, layer in enumerate(layers(nodes, edges)) for name in layer}
    left = [(source, to) for source, to in edges if column[source] >= column[to] and source not in reached[to]]
    assert left == []
