"""The gateway's own TLS certificate for localhost: it trusts in nothing, so whoever checks it is given this file.

Envoy reads the files itself (Consul's `file-system-certificate`) and takes a renewed pair as soon as both files
have been replaced, so the key enters neither Consul nor Pulumi's state.
"""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from posture.local.private import make_private, write_private

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["ensure_certificate"]

_LIFETIME = timedelta(days=365)
_RENEW_BEFORE = timedelta(days=14)
_NAMES = (
    x509.DNSName("localhost"),
    x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
    x509.IPAddress(ipaddress.ip_address("::1")),
)


def ensure_certificate(certificate: Path, private_key: Path, *hostnames: str) -> bool:
    """Keep the pair that is there, or write a new one (ECDSA P-256) when it is missing, broken or near its end.

    Args:
        certificate: Its PEM file.
        private_key: The key's PEM file, written as 0600.
        hostnames: The gateway's, in addition to localhost and its addresses. Who checks the certificate may not take
            `*` and `*.test`: OpenSSL wants two labels after a star.

    Returns:
        Whether a new pair was written.
    """
    names = tuple(dict.fromkeys((*map(x509.DNSName, hostnames), *_NAMES)))
    if _serves(certificate, private_key, names):
        private_key.chmod(0o600)
        return False
    key = ec.generate_private_key(ec.SECP256R1())
    for folder in (certificate.parent, private_key.parent):
        make_private(folder)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    write_private(private_key, pem.decode())
    write_private(certificate, _sign(key, names).public_bytes(serialization.Encoding.PEM).decode())
    return True


def _serves(certificate: Path, private_key: Path, names: tuple[x509.GeneralName, ...]) -> bool:
    try:
        found = x509.load_pem_x509_certificate(certificate.read_bytes())
        key = serialization.load_pem_private_key(private_key.read_bytes(), None)
        named = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, TypeError, x509.ExtensionNotFound):
        return False
    lasts = found.not_valid_after_utc - datetime.now(UTC) > _RENEW_BEFORE
    return lasts and set(names) <= set(named) and found.public_key() == key.public_key()


def _sign(key: ec.EllipticCurvePrivateKey, names: tuple[x509.GeneralName, ...]) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    usage = {
        name: name == "digital_signature"
        for name in (
            "digital_signature",
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "key_cert_sign",
            "crl_sign",
            "encipher_only",
            "decipher_only",
        )
    }
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))  # clocks differ
        .not_valid_after(now + _LIFETIME)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**usage), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
