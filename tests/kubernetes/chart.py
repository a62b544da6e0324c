"""A chart of a few lines, in the place of Consul's: what a test wants to see installed, upgraded and uninstalled."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["write_chart"]

_CHART = """
apiVersion: v2
name: consul
version: 2.0.3
appVersion: "2.0"
"""
_TEMPLATES = {
    "settings": """
apiVersion: v1
kind: ConfigMap
metadata: {name: consul-settings}
data: {datacenter: {{ .Values.global.datacenter | default "dc1" | quote }}}
""",
    "controller": """
apiVersion: v1
kind: ServiceAccount
metadata: {name: consul-controller}
""",
}


def write_chart(folder: Path, **templates: str) -> Path:
    """Write the chart, with more templates by name, into an empty folder."""
    (folder / "templates").mkdir()
    (folder / "Chart.yaml").write_text(_CHART)
    for name, text in {**_TEMPLATES, **templates}.items():
        (folder / "templates" / f"{name}.yaml").write_text(text)
    return folder
