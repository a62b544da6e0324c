"""Whether a certificate is one that browsers would take for a hostname, today."""

from __future__ import annotations

from datetime import UTC, datetime
from fnmatch import fnmatchcase

from cryptography import x509

__all__ = ["trouble_with"]


def trouble_with(certificate: str, hostname: str, now: datetime | None = None) -> str | None:
    """What is wrong with a certificate in PEM, the first of several, for a hostname; None if nothing is."""
    try:
        first = x509.load_pem_x509_certificates(certificate.encode())[0]
    except ValueError:
        return "is no certificate in PEM"
    moment = now or datetime.now(UTC)
    if first.not_valid_after_utc < moment:
        return f"has expired on {first.not_valid_after_utc:%Y-%m-%d}"
    if first.not_valid_before_utc > moment:
        return f"is valid only from {first.not_valid_before_utc:%Y-%m-%d} on"
    names = _names(first)
    if not any(_covers(name, hostname) for name in names):
        return f"is for {', '.join(names) or 'nobody'}, not for {hostname}"
    return None


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    return extension.value.get_values_for_type(x509.DNSName)


def _covers(name: str, hostname: str) -> bool:
    """A wildcard stands for exactly one label (RFC 6125, 6.4.3); a hostname that is one alone for whatever there is."""
    if hostname == "*":
        return True
    same_depth = name.count(".") == hostname.count(".")
    return same_depth and fnmatchcase(hostname.lower(), name.lower())
