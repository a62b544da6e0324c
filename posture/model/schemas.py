"""The JSON Schemas of the file kinds, for editors; `posture schema` prints them, `schemas/` holds them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from posture.model.application import Application
from posture.model.posture import Posture

if TYPE_CHECKING:
    from collections.abc import Mapping

    from posture.model.shape import Shape

__all__ = ["SHAPES", "schema_of"]

SHAPES: Mapping[str, type[Shape]] = {"application": Application, "posture": Posture}


def schema_of(kind: str) -> str:
    """The schema of a file kind, one of `SHAPES`, as JSON text."""
    schema = _without_null(SHAPES[kind].model_json_schema(by_alias=True))
    return json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}, indent=2)


def _without_null(schema: Any) -> Any:  # noqa: ANN401 - any JSON
    """The schema of values that may be left out, which pydantic takes for values that may be null as well."""
    if isinstance(schema, list):
        return [_without_null(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    options = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    if len(options) < len(schema.get("anyOf", ())):
        left = {key: value for key, value in schema.items() if key not in {"anyOf", "default"}}
        schema = {**left, **options[0]} if len(options) == 1 else {**left, "anyOf": options}
    return {key: _without_null(value) for key, value in schema.items()}
