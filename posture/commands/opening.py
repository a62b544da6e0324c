"""Finds out which target a stack is for, and opens it as that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from posture.local_stack import LocalStack
from posture.model.settings import target_of
from posture.stack import find_project

if TYPE_CHECKING:
    from rich.console import Console

    from posture.cluster_stack import ClusterStack

__all__ = ["open_stack"]


def open_stack(name: str, console: Console) -> LocalStack | ClusterStack:
    """A stack of the project; nothing is started.

    Raises:
        InputError: There is no such stack, or its configuration can't be.
    """
    project = find_project()
    if target_of(project, name) == "kubernetes":
        from posture.cluster_stack import ClusterStack  # noqa: PLC0415 - takes half a second to load

        return ClusterStack(project, name, console)
    return LocalStack(project, name, console)
