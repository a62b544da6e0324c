"""What a mesh is led through: all ways between shipped postures, some between made ones, one that needs an order."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from tests.postures import made_posture

if TYPE_CHECKING:
    from tests.postures import Fields
    from tests.switching.switches import Outcome, Switching

__all__ = [
    "SHIPPED",
    "SLOWLY",
    "add_made",
    "behind_a_closed_page",
    "handed_on",
    "strict_to_closed",
    "stricter_entrance",
]

Call = tuple[str, str]
"""Source and destination."""


def every_ordered_pair(a: str, b: str, c: str, d: str) -> list[str]:
    """A walk, from the first back to it, that takes each step from one of four to another exactly once."""
    return [a, b, a, c, a, d, b, c, b, d, c, d, a]


SHIPPED = every_ordered_pair("baseline", "deny-all", "layered-allow", "rate-limited")

SLOWLY = (0.0, 0.8)
"""From how many seconds to how many a write is held back."""

WITHOUT_ORDER = """
import posture.program.local_mesh
import posture.program.security
from posture.model.order import writes

posture.program.local_mesh.entrance_first = lambda _held, _wanted: False
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
    kept = [("fortio", "productpage"), ("productpage", "details")]
    reviews, visitors = ("productpage", "reviews"), ("gateway", "productpage")
    return _switch(mesh, [*kept, reviews], [*kept, visitors], (0, 0))


def handed_on(mesh: Switching) -> Outcome:
    """The same, slowly, and each of the two destinations loses one caller and gets another."""
    old = [("details", "productpage"), ("productpage", "reviews")]
    new = [("gateway", "productpage"), ("fortio", "reviews")]
    return _switch(mesh, old, new, (0.8, 0.9))


def _switch(mesh: Switching, old: list[Call], new: list[Call], pace: tuple[float, float]) -> Outcome:
    for name, calls in (("old", old), ("new", new)):
        grants = [{"name": f"{source}-{to}", "from": source, "to": to} for source, to in calls]
        mesh.add(name, {"description": "made", "grants": grants})
    mesh.motion.set_pace(0, 0, seed=0)
    mesh.up("old")
    mesh.motion.set_pace(*pace, seed=0)
    return mesh.switch("old", "new")


def strict_to_closed(mesh: Switching, *, ordered: bool) -> Outcome:
    """From a call over TLS 1.3 only to no call, over TLS 1.2 as well; with the order of writes or without it."""
    grant = {"name": "load", "from": "fortio", "to": "details"}
    strict = {"description": "made", "grants": [grant], "mesh": {"tlsMinVersion": "TLSv1_3"}}
    return _in_order(mesh, strict, {"description": "made"}, (0.8, 0.9), ordered=ordered)


def stricter_entrance(mesh: Switching, *, ordered: bool) -> Outcome:
    """From a page that no visitor gets to one over TLS 1.3 only; with the order of writes or without it."""
    page = {"name": "page", "from": "gateway", "to": "productpage"}
    strict = {"description": "made", "grants": [page], "mesh": {"tlsMinVersion": "TLSv1_3"}}
    return _in_order(mesh, {"description": "made"}, strict, (1.6, 1.7), ordered=ordered)  # a page is asked more seldom


def _in_order(mesh: Switching, old: Fields, new: Fields, pace: tuple[float, float], *, ordered: bool) -> Outcome:
    mesh.add("old", old)
    mesh.add("new", new)
    mesh.motion.set_pace(0, 0, seed=0)
    mesh.up("old")
    mesh.motion.set_pace(*pace, seed=0)
    program = mesh.project.folder / "__main__.py"
    kept = program.read_text()
    program.write_text(kept if ordered else WITHOUT_ORDER + kept)
    try:
        return mesh.switch("old", "new")
    finally:
        program.write_text(kept)
