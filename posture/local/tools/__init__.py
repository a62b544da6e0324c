"""The local mesh's programs and the tests': found on PATH, else fetched as official releases, else built from pins."""

from posture.local.tools.catalogue import TEST_TOOLS, TOOLS, InstalledTool, Origin, Tool
from posture.local.tools.ensuring import ensure
from posture.local.tools.finding import find, listing

__all__ = ["TEST_TOOLS", "TOOLS", "InstalledTool", "Origin", "Tool", "ensure", "find", "listing"]
