"""What a mesh is led through: all ways between shipped postures, some between made ones, one that needs an order."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from tests.postures import made_posture

if TYPE_CHECKING:
    from tests.switching.switches import Outcome, Switching

__all__ = ["SHIPPED", "SLOWLY", "add_made", "behind_a_closed_page", "strict_to_closed"]


def every_ordered_pair(a: str, b: str, c: str, d: str) -> list[str]:
    """A walk, from the first back to it, that takes each step from one of four to another exactly once."""
    return [a, b, a, c, a, d, b, c, b, d, c, d, a]


SHIPPED = every_ordered_pair("baseline", "deny-all", "layered-allow", "rate-limited")

SLOWLY = (0.0, 0.8)
"""From how many seconds to how many a write is held back."""

WITHOUT_ORDER = """
import posture.program.security
from posture.model.order import writes

posture.program.security.writes = lambda _held, wanted: writes((), wanted)
"""
"""Put before the program, it has a mesh changed in the order in which a new one is made."""


def add_made(mesh: Switching, number: int) -> list[str]:
    """Add made postures to the mesh's project, the same ones each time; their names."""
    chance = Random(20)  # noqa: S311 - a test's choice
    names = [f"made-{each}" for each in range(number)]
    for name in names:
        mesh.add(name, made_posture(chance, mesh.application))
    return names


def behind_a_closed_page(mesh: Switching) -> Outcome:
    """From reviews behind a page that visitors don't get, to the page without reviews: each call changes by itself."""
    details = {"name": "details", "from": "productpage", "to": "details"}
    load = {"name": "load", "from": "fortio", "to": "productpage"}
    reviews = {"name": "reviews", "from": "productpage", "to": "reviews"}
    visitors = {"name": "visitors", "from": "gateway", "to": "productpage"}
    mesh.add("behind", {"description": "made", "grants": [load, details, reviews]})
    mesh.add("before", {"description": "made", "grants": [load, details, visitors]})
    mesh.motion.set_pace(0, 0, seed=0)
    mesh.up("behind")
    return mesh.switch("behind", "before")


def strict_to_closed(mesh: Switching, *, ordered: bool) -> Outcome:
    """From a call over TLS 1.3 only to no call, over TLS 1.2 as well; with the order of writes or without it."""
    grant = {"name": "load", "from": "fortio", "to": "details"}
    mesh.add("strict", {"description": "made", "grants": [grant], "mesh": {"tlsMinVersion": "TLSv1_3"}})
    mesh.add("closed", {"description": "made"})
    mesh.motion.set_pace(0, 0, seed=0)
    mesh.up("strict")
    mesh.motion.set_pace(0.8, 0.9, seed=0)
    program = mesh.project.folder / "__main__.py"
    kept = program.read_text()
    program.write_text(kept if ordered else WITHOUT_ORDER + kept)
    try:
        return mesh.switch("strict", "closed")
    finally:
        program.write_text(kept)
