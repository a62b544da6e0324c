"""A caller with everything right but the signature: the names of a real identity, signed by a CA of the same name."""

from __future__ import annotations

import datetime as dt
import ssl
import tempfile

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

__all__ = ["impersonate", "spiffe_ids"]

_HOUR = dt.timedelta(hours=1)


def spiffe_ids(certificate: bytes) -> list[str]:
    """The URIs that a certificate (DER) is for."""
    try:
        names = x509.load_der_x509_certificate(certificate).extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        )
    except x509.ExtensionNotFound:
        return []
    return names.value.get_values_for_type(x509.UniformResourceIdentifier)


def impersonate(service: str, peer: bytes) -> ssl.SSLContext:
    """A TLS context that bears a service's SPIFFE ID on a certificate of another CA, and trusts anybody.

    Args:
        service: Whom to impersonate.
        peer: The certificate (DER) of some member of the mesh, whose issuer's name and SPIFFE ID are imitated.
    """
    issuer = x509.load_der_x509_certificate(peer).issuer
    identity = f"{spiffe_ids(peer)[0].rpartition('/')[0]}/{service}"
    authority, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _HOUR)
        .not_valid_after(now + _HOUR)
        .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(identity)]), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(authority, hashes.SHA256())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with tempfile.NamedTemporaryFile(suffix=".pem") as file:  # OpenSSL reads certificates from files only
        file.write(certificate.public_bytes(serialization.Encoding.PEM))
        file.write(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        file.flush()
        context.load_cert_chain(file.name)
    return context
