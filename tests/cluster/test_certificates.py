"""Which certificates a gateway may have, for a hostname and a day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from posture.cluster.certificates import trouble_with

TODAY = datetime(2026, 6, 15, tzinfo=UTC)


def certificate(*names: str, begins: int = -1, ends: int = 90) -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(TODAY + timedelta(days=begins))
        .not_valid_after(TODAY + timedelta(days=ends))
    )
    if names:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([x509.DNSName(each) for each in names]), critical=False
        )
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


@pytest.mark.parametrize(
    ("names", "hostname"),
    [
        (["page.example.com"], "page.example.com"),
        (["other.example.com", "page.example.com"], "page.example.com"),
        (["*.example.com"], "page.example.com"),
        (["Page.Example.com"], "page.example.com"),
        (["page.example.com"], "*"),
    ],
)
def test_a_certificate_for_the_hostname_is_taken(names: list[str], hostname: str) -> None:
    assert trouble_with(certificate(*names), hostname, TODAY) is None


@pytest.mark.parametrize(
    ("names", "hostname", "words"),
    [
        (["other.example.com"], "page.example.com", "is for other.example.com, not for page.example.com"),
        (["*.example.com"], "deep.page.example.com", "is for *.example.com, not for deep.page.example.com"),
        (["*.example.com"], "example.com", "is for *.example.com, not for example.com"),
        ([], "page.example.com", "is for nobody, not for page.example.com"),
        ([], "*", "is for nobody, not for *"),
    ],
)
def test_a_certificate_for_another_name_is_refused(names: list[str], hostname: str, words: str) -> None:
    assert trouble_with(certificate(*names), hostname, TODAY) == words


def test_a_certificate_of_another_time_is_refused() -> None:
    assert trouble_with(certificate("a.test", begins=-9, ends=-1), "a.test", TODAY) == "has expired on 2026-06-14"
    later = certificate("a.test", begins=1)
    assert trouble_with(later, "a.test", TODAY) == "is valid only from 2026-06-16 on"


@pytest.mark.parametrize("text", ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"])
def test_what_is_no_certificate_is_refused(text: str) -> None:
    assert trouble_with(text, "a.test", TODAY) == "is no certificate in PEM"
