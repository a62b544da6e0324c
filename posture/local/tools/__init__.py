"""The programs the local mesh is made of: found on PATH, else fetched as official releases, else built from pins."""

from posture.local.tools.catalogue import TOOLS, InstalledTool, Origin, Tool
from posture.local.tools.ensuring import ensure
from posture.local.tools.finding import find, listing

__all__ = ["TOOLS", "InstalledTool", "Origin", "Tool", "ensure", "find", "listing"]
