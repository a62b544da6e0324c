"""Certificates of one control plane, from an authority that nobody else trusts, and the kubeconfig of its users."""

from __future__ import annotations

import base64
import ipaddress
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from posture.local.private import write_private

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["Authority", "KeyPair", "kubeconfig"]

_LIFETIME = timedelta(days=1)
_NAMES = (x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1")))


@dataclass(frozen=True)
class KeyPair:
    """Two PEM files."""

    certificate: Path
    key: Path


class Authority:
    """Signs certificates (ECDSA P-256) into a folder. Its own key is never written down."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("test-ca")
        certificate = (
            _certificate(self._name, self._name, self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.certificate = folder / "ca.pem"
        self.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, user: str, *groups: str) -> KeyPair:
        """A certificate by which the API server knows a user (the common name) and its groups (the organizations).

        It also serves localhost.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = (
            _certificate(_name(user, *groups), self._name, key.public_key())
            .add_extension(x509.SubjectAlternativeName(_NAMES), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        file = user.replace(":", "-")
        pair = KeyPair(self._folder / f"{file}.pem", self._folder / f"{file}-key.pem")
        pair.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        write_private(pair.key, pem.decode())
        return pair


def kubeconfig(server: str, authority: Authority, users: Mapping[str, KeyPair], current: str) -> str:
    """A kubeconfig (as JSON, which is YAML) with a context for each user, named as the user is."""

    def data(file: Path) -> str:
        return base64.b64encode(file.read_bytes()).decode()

    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {
                    "name": "test",
                    "cluster": {"server": server, "certificate-authority-data": data(authority.certificate)},
                }
            ],
            "users": [
                {
                    "name": name,
                    "user": {
                        "client-certificate-data": data(pair.certificate),
                        "client-key-data": data(pair.key),
                    },
                }
                for name, pair in users.items()
            ],
            "contexts": [{"name": name, "context": {"cluster": "test", "user": name}} for name in users],
            "current-context": current,
        }
    )


def _name(user: str, *groups: str) -> x509.Name:
    organizations = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    return x509.Name([*organizations, x509.NameAttribute(NameOID.COMMON_NAME, user)])


def _certificate(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + _LIFETIME)
    )
