"""The one error of a mesh that does not do what it should, in a line for the user and the log that explains it."""

from __future__ import annotations

from posture.errors import one_line, visible

__all__ = ["MeshError"]


class MeshError(Exception):
    """The local mesh failed: a process died, did not get ready in time, or refused a request.

    Args:
        message: One line: what failed, then what to do or where to look.
        log: The last lines of the log that explains it, oldest first.
    """

    def __init__(self, message: str, log: tuple[str, ...] = ()) -> None:
        self.message = one_line(message)
        super().__init__("\n".join([self.message, *(f"  {visible(line)}" for line in log)]))
        self.log = log
