"""The one error of a mesh that does not do what it should, in a line for the user and the log that explains it."""

from __future__ import annotations

__all__ = ["MeshError"]


class MeshError(Exception):
    """The local mesh failed: a process died, did not get ready in time, or refused a request.

    Args:
        message: One line: what failed, then what to do or where to look.
        log: The last lines of the log that explains it, oldest first.
    """

    def __init__(self, message: str, log: tuple[str, ...] = ()) -> None:
        super().__init__("\n".join([message, *(f"  {line}" for line in log)]))
        self.message = message
        self.log = log
