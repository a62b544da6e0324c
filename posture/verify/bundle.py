"""What a failed verification leaves for those who look into it, in one archive without anything secret.

Of an Envoy's config dump go: every certificate and key, whatever holds them, and the token by which it talks to Consul
(`initial_metadata` in its bootstrap). Envoy itself leaves out private keys only.
"""

from __future__ import annotations

import io
import json
import os
import re
import tarfile
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

__all__ = ["cleaned", "cleaned_dump", "write_bundle"]

_REMOVED = "[removed]"
_PEM = re.compile(r"-----BEGIN [A-Z ]+-----.*?(?:-----END [A-Z ]+-----|\Z)", re.DOTALL)
_SECRET_FIELDS = frozenset(
    {
        *("certificate_chain", "private_key", "trusted_ca", "crl", "password", "pkcs12", "ocsp_staple"),
        *("session_ticket_keys", "initial_metadata"),
    }
)
"""Fields of Envoy's API (`envoy/extensions/transport_sockets/tls/v3`, `envoy/config/core/v3/grpc_service.proto`)."""


def cleaned(text: str, secrets: Iterable[str]) -> str:
    """A text without the secrets, each as it is, and without anything in PEM."""
    text = _PEM.sub(_REMOVED, text)
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, _REMOVED)
    return text


def cleaned_dump(dump: str, secrets: Iterable[str]) -> str:
    """An Envoy's `/config_dump` (JSON) without certificates, keys and tokens; nothing of one that can't be read."""
    try:
        content = json.loads(dump)
    except ValueError:
        return _REMOVED
    return cleaned(json.dumps(_without_secrets(content), indent=1), secrets)


def write_bundle(file: Path, parts: Mapping[str, str]) -> None:
    """Write a new `.tar.gz` (0600, its parts too) of texts by their names in it.

    Raises:
        FileExistsError: The file is there already.
    """
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as stream, tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, text in parts.items():
            content = text.encode(errors="replace")
            member = tarfile.TarInfo(f"{file.name.removesuffix('.tar.gz')}/{name}")
            member.size, member.mode, member.mtime = len(content), 0o600, int(time.time())
            archive.addfile(member, io.BytesIO(content))


def _without_secrets(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """JSON without the secret fields, and without PEM in its strings while these have real line breaks."""
    if isinstance(value, dict):
        return {key: _REMOVED if key in _SECRET_FIELDS else _without_secrets(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_secrets(item) for item in value]
    return _PEM.sub(_REMOVED, value) if isinstance(value, str) else value
