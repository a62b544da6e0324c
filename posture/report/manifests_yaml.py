"""Kubernetes objects as one YAML stream, for people and for `kubectl`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterable

    from posture.model.manifests.placement import Manifest

__all__ = ["manifests_yaml"]


class _Plain(yaml.SafeDumper):
    """Writes a value out again wherever it stands, and texts of several lines as such."""

    def ignore_aliases(self, _data: Any) -> bool:  # noqa: ANN401 - whatever YAML can hold
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Plain.add_representer(str, _text)


def manifests_yaml(manifests: Iterable[Manifest]) -> str:
    """The objects in their order, each a document of its own."""
    return yaml.dump_all(manifests, Dumper=_Plain, sort_keys=False, width=120, explicit_start=True)
