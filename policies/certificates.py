"""The certificates that gateways serve, in an entry or in a file on this machine, and when they end."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from policies.view import Certificate
from posture.model.entry import Entry, Kind

if TYPE_CHECKING:
    from datetime import datetime

    from policies.view import View

__all__ = ["end_of", "file_of", "pem_of"]

_LARGEST = 1_000_000
"""Bytes of a file that may hold certificates; the path is whatever somebody wrote."""


def file_of(view: View | None) -> str | None:
    """The file from which a gateway reads its certificate, as the entry names it; None if it reads none."""
    if isinstance(view, Entry) and view.kind == Kind.FILE_SYSTEM_CERTIFICATE:
        return str(view.body.get("Certificate") or "")
    return None


def pem_of(view: View | None, folder: str) -> bytes | None:
    """A certificate's PEM; None if the view is of none, or of one in a file that can't be read here.

    ``folder`` is where the gateway runs, from which paths lead; empty if nobody knows.
    """
    if isinstance(view, Certificate):
        return view.pem.encode(errors="replace")
    name = file_of(view)
    if not name or not (folder or Path(name).is_absolute()):
        return None
    file = Path(folder, name)
    try:
        if file.is_file() and file.stat().st_size <= _LARGEST:
            return file.read_bytes()
    except (OSError, ValueError):  # a name that can't be a file's is a ValueError
        pass
    return None


def end_of(pem: bytes) -> datetime | None:
    """When the first of a chain to end does so; None if this is no certificate."""
    from cryptography import x509  # noqa: PLC0415 - most stacks have no certificate that rules can read

    try:
        chain = x509.load_pem_x509_certificates(pem)
    except ValueError:
        return None
    return min(each.not_valid_after_utc for each in chain)
