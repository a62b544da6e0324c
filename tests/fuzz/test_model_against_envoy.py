"""The access model held against real Envoys; docs/testing-the-model.md says how."""

from __future__ import annotations

import json
import os
import secrets
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from posture.model.access import Access
from posture.model.entries import Entry, Kind
from tests.fuzz.cases import Case, Disagreement
from tests.fuzz.fuzzing import Fuzz

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.fuzz.lab import Lab

MINUTES = float(os.environ.get("FUZZ_MINUTES") or 0)
SEED = int(os.environ.get("FUZZ_SEED") or secrets.randbelow(2**32))
REGRESSIONS = Path(__file__).with_name("regressions")

pytestmark = [pytest.mark.mesh, pytest.mark.timeout(600 + 60 * MINUTES)]


@pytest.mark.parametrize("file", sorted(REGRESSIONS.glob("*.json")), ids=lambda file: file.stem)
def test_what_once_differed_agrees(lab: Lab, file: Path, tmp_path: Path) -> None:
    assert Fuzz(lab, tmp_path).ask(Case.from_json(json.loads(file.read_text()))) is None


def test_a_consul_that_dies_is_started_again(lab: Lab, tmp_path: Path) -> None:
    first, second = (Case.from_json(json.loads(file.read_text())) for file in sorted(REGRESSIONS.glob("*.json"))[:2])
    lab.apply(first)
    pid = lab.mesh.consul.pid
    assert pid  # without one psutil would take this process
    psutil.Process(pid).kill()
    assert Fuzz(lab, tmp_path).ask(second) is None


def test_random_meshes_answer_as_the_model_does(lab: Lab, capfd: pytest.CaptureFixture[str]) -> None:
    fuzz, seed, begun = Fuzz(lab, REGRESSIONS), SEED, time.monotonic()
    with capfd.disabled():
        while True:
            sys.stderr.write(f"\nfuzz: FUZZ_SEED={seed}\n")
            fuzz.run(seed, meshes=300)
            seconds = time.monotonic() - begun
            sys.stderr.write(
                f"fuzz: {fuzz.meshes} meshes, {fuzz.requests} requests, {fuzz.allowed} of them allowed, "
                f"{seconds:.0f} s, no disagreement\n"
            )
            if seconds >= MINUTES * 60:
                break
            seed += 1
    assert fuzz.meshes >= 300
    assert fuzz.requests >= 3000


def prefixes_are_exact(entries: Iterable[Entry]) -> Access:
    def exact(value: Any) -> Any:
        if isinstance(value, dict):
            return {"PathExact" if key == "PathPrefix" else key: exact(each) for key, each in value.items()}
        return [exact(each) for each in value] if isinstance(value, list) else value

    return Access([replace(entry, body=exact(entry.body)) for entry in entries])


def paths_come_as_they_are(entries: Iterable[Entry]) -> Access:
    rules = {"HTTP": {"Incoming": {"RequestNormalization": {"InsecureDisablePathNormalization": True}}}}
    return Access([*(entry for entry in entries if entry.kind != Kind.MESH), Entry(Kind.MESH, "mesh", rules)])


def without(unseen: str, entries: Iterable[Entry]) -> Access:
    def strip(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: strip(each) for key, each in value.items() if key != unseen}
        return [strip(each) for each in value] if isinstance(value, list) else value

    return Access([replace(entry, body=strip(entry.body)) for entry in entries])


def nobody_needs_tokens(entries: Iterable[Entry]) -> Access:
    return without("JWT", entries)


def no_path_is_rewritten(entries: Iterable[Entry]) -> Access:
    return without("URLRewrite", entries)


@pytest.mark.parametrize(
    "wrong", [prefixes_are_exact, paths_come_as_they_are, nobody_needs_tokens, no_path_is_rewritten]
)
def test_a_wrong_model_is_found_out_and_the_case_made_small(
    lab: Lab, tmp_path: Path, wrong: Callable[[Iterable[Entry]], Access]
) -> None:
    with pytest.raises(Disagreement) as found:
        Fuzz(lab, tmp_path, wrong).run(1, meshes=300)
    (kept,) = tmp_path.iterdir()
    case = Case.from_json(json.loads(kept.read_text()))
    assert case == found.value.case
    sources = [source for entry in case.entries for source in entry.body.get("Sources", ())]
    permissions = [permission for source in sources for permission in source.get("Permissions", ())]
    assert len(case.asks) == 1
    assert len(sources) <= 1
    assert len(permissions) <= 1
    assert Fuzz(lab, tmp_path, wrong).ask(case)
    assert not Fuzz(lab, tmp_path).ask(case)
