"""The JSON Schemas of the file kinds, for editors; `posture schema` prints them, `schemas/` holds them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from posture.model.application import Application
from posture.model.posture import Posture

if TYPE_CHECKING:
    from collections.abc import Mapping

    from posture.model.shape import Shape

__all__ = ["SHAPES", "schema_of"]

SHAPES: Mapping[str, type[Shape]] = {"application": Application, "posture": Posture}


def schema_of(kind: str) -> str:
    """The schema of a file kind, one of `SHAPES`, as JSON text."""
    schema = SHAPES[kind].model_json_schema(by_alias=True)
    return json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}, indent=2)
