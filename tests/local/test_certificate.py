"""The gateway's certificate."""

from __future__ import annotations

import ssl
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography import x509

from posture.local import certificate
from posture.local.certificate import ensure_certificate
from posture.model.application import Gateway

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    files = tmp_path / "gateway" / "certificate.pem", tmp_path / "gateway" / "key.pem"
    assert ensure_certificate(*files)
    return files


def test_it_stays_the_same(pair: tuple[Path, Path]) -> None:
    before = [file.read_bytes() for file in pair]
    assert not ensure_certificate(*pair)
    assert [file.read_bytes() for file in pair] == before


def test_its_key_is_for_its_owner_only_and_becomes_so_again(pair: tuple[Path, Path]) -> None:
    assert pair[1].stat().st_mode & 0o777 == 0o600
    pair[1].chmod(0o644)
    ensure_certificate(*pair)
    assert pair[1].stat().st_mode & 0o777 == 0o600


def test_it_names_localhost_by_name_and_by_address(pair: tuple[Path, Path]) -> None:
    found = x509.load_pem_x509_certificate(pair[0].read_bytes())
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(name.value) for name in names] == ["localhost", "127.0.0.1", "::1"]


def test_it_is_a_pair_that_a_server_can_use(pair: tuple[Path, Path]) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair)
    context.load_verify_locations(pair[0])
    assert context.get_ca_certs() == []  # no authority: it vouches for nobody else


def test_it_is_renewed_two_weeks_before_its_end(pair: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certificate, "_LIFETIME", timedelta(days=13))
    pair[0].unlink()
    assert ensure_certificate(*pair)
    monkeypatch.undo()
    assert ensure_certificate(*pair)
    found = x509.load_pem_x509_certificate(pair[0].read_bytes())
    assert found.not_valid_after_utc > datetime.now(UTC) + timedelta(days=300)


@pytest.mark.parametrize("broken", [0, 1])
def test_a_broken_or_missing_half_is_replaced_with_the_other(pair: tuple[Path, Path], broken: int) -> None:
    pair[broken].write_text("not a PEM")
    assert ensure_certificate(*pair)
    pair[broken].unlink()
    assert ensure_certificate(*pair)
    assert not ensure_certificate(*pair)


def test_a_key_that_is_not_the_certificates_is_replaced(pair: tuple[Path, Path], tmp_path: Path) -> None:
    ensure_certificate(tmp_path / "other.pem", pair[1].with_name("other"))
    pair[1].write_bytes(pair[1].with_name("other").read_bytes())
    assert ensure_certificate(*pair)


def test_a_hostname_is_added(pair: tuple[Path, Path]) -> None:
    assert ensure_certificate(*pair, "shop.example")
    assert not ensure_certificate(*pair, "shop.example")


@pytest.mark.parametrize("hostname", ["localhost", "shop.example", "*.example.test", "*.test", "*"])
def test_whoever_trusts_it_takes_it_for_the_host_that_is_asked(pair: tuple[Path, Path], hostname: str) -> None:
    gateway = Gateway.model_validate({"hostname": hostname, "routes": ({"prefix": "/", "to": "page"},)})
    ensure_certificate(*pair, gateway.hostname, gateway.host)
    shake_hands(pair, gateway.host)
    with pytest.raises(ssl.SSLCertVerificationError, match="not valid for 'other'"):
        shake_hands(pair, "other")


def shake_hands(pair: tuple[Path, Path], name: str) -> None:
    """Have a client who trusts the certificate meet a server who has it under a name, all in memory."""
    ours, theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context(cafile=pair[0])
    ours.load_cert_chain(*pair)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = ours.wrap_bio(to_server, to_client, server_side=True)
    client = theirs.wrap_bio(to_client, to_server, server_hostname=name)
    for side in (client, server, client):
        with suppress(ssl.SSLWantReadError):
            side.do_handshake()
    client.do_handshake()  # it has been done
