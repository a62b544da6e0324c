"""Golden entries as files that people review: of a rate limiter's program they show the parameters, line by line."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

CODE = files("posture.model").joinpath("limiter.lua").read_text()
LAST_LINE = "(limiter.lua)"


def golden_text(entries: dict[str, Any]) -> str:
    return json.dumps(_each_script(entries, _shown), indent=2) + "\n"


def golden_entries(text: str) -> Any:
    return _each_script(json.loads(text), lambda lines: "\n".join([*lines[:-1], CODE]))


def _shown(script: str) -> list[str]:
    assert script.endswith(CODE)
    return [*script.removesuffix(CODE).split("\n")[:-1], LAST_LINE]


def _each_script(value: Any, change: Any) -> Any:
    if isinstance(value, dict):
        return {key: change(item) if key == "Script" else _each_script(item, change) for key, item in value.items()}
    return [_each_script(item, change) for item in value] if isinstance(value, list) else value
