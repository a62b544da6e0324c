"""The arrows between the rooms point one way."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAY_IMPORT = {
    "model": {"errors", "model"},
    "cluster": {"errors", "model", "verify", "cluster"},
    "program": {"errors", "model", "cluster", "local", "program"},
    "local": {"errors", "model", "verify", "cluster", "local"},
    "verify": {"errors", "model", "verify"},
    "report": {"errors", "model", "verify", "report"},
}


def rooms_imported(file: Path) -> set[str]:
    tree = ast.parse(file.read_text())
    names = [
        name
        for node in ast.walk(tree)
        for name in (
            [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else []
        )
    ]
    return {name.split(".")[1] for name in names if name.startswith("posture.")}


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_only_what_it_may(room: str) -> None:
    files = list((ROOT / "posture" / room).rglob("*.py"))
    assert files
    wrong = {str(file): rooms_imported(file) - MAY_IMPORT[room] for file in files}
    assert not {file: rooms for file, rooms in wrong.items() if rooms}


def test_policies_import_the_model_and_only_their_way_into_the_engine_imports_pulumi() -> None:
    files = list((ROOT / "policies").rglob("*.py"))
    assert len(files) > 40
    for file in files:
        assert rooms_imported(file) <= {"errors", "model"}
        assert ("pulumi_policy" in file.read_text()) == (file.name in {"__main__.py", "analyzer.py", "engine.py"})


def test_the_model_knows_neither_pulumi_nor_consul() -> None:
    for file in (ROOT / "posture" / "model").rglob("*.py"):
        assert "import pulumi" not in file.read_text()
        assert "import httpx" not in file.read_text()
