"""What is kept of a failed verification has no certificate, no key and no token in it."""

from __future__ import annotations

import json
import stat
import tarfile
from typing import TYPE_CHECKING

import pytest

from posture.verify.bundle import cleaned, cleaned_dump, write_bundle

if TYPE_CHECKING:
    from pathlib import Path

ACCESS_ID = "0b1e1f0a-3c1b-4a6e-9a55-5a2d1a8f7c11"
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
KEY = "-----BEGIN EC PRIVATE KEY-----\nMHcC\n-----END EC PRIVATE KEY-----\n"
DUMP = {
    "configs": [
        {
            "bootstrap": {
                "node": {"id": "details-v1-sidecar-proxy"},
                "initial_metadata": [{"key": "x-consul-token", "value": ACCESS_ID}],
                "static_resources": {"note": f"also here: {ACCESS_ID}"},
            }
        },
        {
            "common_tls_context": {
                "tls_certificates": [
                    {"certificate_chain": {"inline_string": CERTIFICATE}, "private_key": {"inline_bytes": "TUhjQw=="}}
                ],
                "validation_context": {"trusted_ca": {"inline_string": CERTIFICATE}},
            },
            "elsewhere": f"before {KEY} between {CERTIFICATE} after",
            "cut off": KEY[:40],
            "lua": {"inline_string": "return 1"},
        },
    ]
}


def test_a_dump_loses_its_secrets_and_nothing_else() -> None:
    text = cleaned_dump(json.dumps(DUMP), [ACCESS_ID, ""])
    for secret in (ACCESS_ID, "BEGIN", "PRIVATE KEY", "MIIB", "MHcC", "TUhjQw"):
        assert secret not in text
    first, second = json.loads(text)["configs"]
    assert first["bootstrap"]["node"] == {"id": "details-v1-sidecar-proxy"}
    assert first["bootstrap"]["static_resources"]["note"] == "also here: [removed]"
    assert second["elsewhere"] == "before [removed]\n between [removed]\n after"
    assert second["lua"] == {"inline_string": "return 1"}


def test_a_dump_that_cannot_be_read_is_left_out() -> None:
    assert ACCESS_ID not in cleaned_dump(f"not JSON {ACCESS_ID}", [])


def test_a_secret_that_begins_as_another_is_removed_as_a_whole() -> None:
    assert cleaned("a-long-secret", ["a-long", "a-long-secret"]) == "[removed]"


def test_the_archive_and_its_parts_are_their_owners(tmp_path: Path) -> None:
    file = tmp_path / "verify-1.tar.gz"
    write_bundle(file, {"a.json": "{}", "log/b.log": "gr\u00fc\u00df \udce9"})
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with tarfile.open(file) as archive:
        assert {member.name: member.mode for member in archive} == {
            "verify-1/a.json": 0o600,
            "verify-1/log/b.log": 0o600,
        }
        content = archive.extractfile("verify-1/log/b.log")
        assert content is not None
        assert content.read().decode() == "gr\u00fc\u00df ?"
    with pytest.raises(FileExistsError):
        write_bundle(file, {})
