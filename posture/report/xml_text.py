"""Text that XML can hold."""

from __future__ import annotations

import re

__all__ = ["xml_text"]

_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 has no way to write; a mesh or a file may say anything."""


def xml_text(words: str) -> str:
    """The same, with a mark in place of what XML can't hold."""
    return _NOT_IN_XML.sub("\ufffd", words)
