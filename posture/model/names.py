"""Names that are also those of files: of stacks, postures and applications. They go into paths, reports and pages."""

from __future__ import annotations

import re

from posture.errors import InputError

__all__ = ["check_name"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def check_name(kind: str, name: str) -> None:
    """Refuse a name that would mean something to a path, a shell, a page or a spreadsheet; ``kind`` as in "a stack".

    Raises:
        InputError: It is one.
    """
    if not _NAME.fullmatch(name):
        raise InputError(f"{kind} can't be called '{name}'; use letters, digits, '-', '_' and '.'")
