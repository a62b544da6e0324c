"""A process for all tests here, and a project to be spoilt."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.conftest import ROOT
from tests.hostile.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The files of a project that `posture` reads; no tool works on it."""
    for name in ("Pulumi.yaml", "Pulumi.dev.yaml", "Pulumi.kind.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("apps", "stacks", "policies"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    return tmp_path
