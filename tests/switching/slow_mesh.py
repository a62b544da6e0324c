"""A mesh of its own whose writes can be slowed down."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from rich.console import Console

from posture.local_stack import LocalStack
from tests.switching.slow_consul import SlowMotion
from tests.switching.switches import Switching

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Project

__all__ = ["switching_mesh"]

STACK, NETWORK, GATEWAY_PORT = "switching", "127.48", 9452


@contextmanager
def switching_mesh(project: Project) -> Iterator[Switching]:
    """A mesh under `baseline`, at full speed."""
    motion = SlowMotion(project.folder / "slow")
    slow = replace(project, environment={**project.environment, **motion.install()})
    slow.add_stack(STACK, NETWORK, GATEWAY_PORT)
    slow.posture("up", "baseline", "--stack", STACK)
    stack = LocalStack(slow.folder, STACK, Console(stderr=True))
    application, _ = stack.load()
    try:
        yield Switching(slow, STACK, application, stack.target(stack.mesh()), motion)
    finally:
        slow.posture("down", "--stack", STACK)
