"""Fetch one official release: ``python -m posture.local.tools.download NAME VERSION SITE SHA256 ROOT``.

A process of its own, so that whoever started it can end it: neither a name look-up nor Pulumi's own installer has
a time limit. Temporary files go to ``$TMPDIR``. Exits with 0 when ``ROOT/bin/NAME`` is there, else `UNREACHABLE` or
`REFUSED`, with the reason as the last line of its output.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import httpx
from pulumi.automation import PulumiCommand
from semver import Version

from posture.local.tools.cache import platform_tag
from posture.local.tools.catalogue import PULUMI_SITE
from posture.local.tools.release import REFUSED, UNREACHABLE

__all__ = ["main"]

_TIMEOUT = httpx.Timeout(10, connect=4)  # seconds


def main(name: str, version: str, site: str, checksum: str, root: str) -> int:
    """Fetch the release; see the module."""
    try:
        if site == PULUMI_SITE:
            PulumiCommand.install(root, Version.parse(version))
            return 0
        return _hashicorp(name, version, site, checksum, Path(root))
    except subprocess.CalledProcessError as error:
        sys.stdout.write((error.output or b"").decode(errors="replace") or str(error))
    except Exception as error:  # noqa: BLE001 - the SDK lets through whatever urllib and its script come to
        sys.stdout.write(f"{type(error).__name__}: {error}\n")
    return UNREACHABLE


def _hashicorp(name: str, version: str, site: str, checksum: str, root: Path) -> int:
    # The layout of releases.hashicorp.com.
    file = f"{name}_{version}_{platform_tag().replace('-', '_')}.zip"
    digest = hashlib.sha256()
    with tempfile.NamedTemporaryFile() as archive:  # with a name: its growth is what is watched
        with httpx.stream("GET", f"{site}/{name}/{version}/{file}", timeout=_TIMEOUT, follow_redirects=True) as answer:
            answer.raise_for_status()
            for chunk in answer.iter_bytes():
                digest.update(chunk)
                archive.write(chunk)
                archive.flush()
        if digest.hexdigest() != checksum:
            sys.stdout.write(f"{file} has the SHA-256 {digest.hexdigest()}, not the pinned {checksum}\n")
            return REFUSED
        with zipfile.ZipFile(archive) as opened:
            program = Path(opened.extract(name, root / "bin"))
    program.chmod(0o755)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
