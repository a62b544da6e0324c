"""When a gateway's certificates end."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from policies.view import Certificate

__all__ = ["ends"]


def ends(certificate: Certificate) -> datetime | None:
    """When the first of its chain to end does so; None if this is no certificate."""
    from cryptography import x509  # noqa: PLC0415 - most stacks have no certificate that rules can read

    try:
        chain = x509.load_pem_x509_certificates(certificate.pem.encode())
    except ValueError:
        return None
    return min(each.not_valid_after_utc for each in chain)
