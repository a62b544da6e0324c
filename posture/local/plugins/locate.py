"""Decides which Pulumi plugins need a stand-in, and puts those where the engine finds them.

The engine takes a plugin from PATH before the one beside it and before those it installed, whatever their versions
(pulumi/sdk v3.259.0, go/common/workspace/plugins.go, `getPluginInfoAndPath`), and says so in a warning.
So a stand-in may be on PATH only where there is no official plugin, and each has a directory of its own.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["CONSUL_VERSION", "KUBERNETES_VERSION", "plugin_path"]

CONSUL_VERSION = "3.15.2"
"""The official consul plugin that the stand-in stands for, and the `pulumi-consul` SDK's own version."""

KUBERNETES_VERSION = "4.34.2"
"""The official kubernetes plugin that the stand-in stands for, and the `pulumi-kubernetes` SDK's own version."""

_LANGUAGE = "pulumi-language-python"
_VERSIONS = {"consul": CONSUL_VERSION, "kubernetes": KUBERNETES_VERSION}
_MARK = b"posture.local.plugins"  # a stand-in of another stack may be on PATH; its directory goes with that stack
_STAND_INS = {_LANGUAGE: "language", **{f"pulumi-resource-{package}": package for package in _VERSIONS}}


def plugin_path(shims: Path, *, environment: Mapping[str, str]) -> list[Path]:
    """Write what starts the stand-ins that are needed, and return their directories, to be put on PATH.

    Args:
        shims: A directory of ours; it is created, and a stand-in that is no longer needed is removed from it.
        environment: Whose `PATH`, `PULUMI_HOME` and `HOME` say where official plugins would be.

    Returns:
        One directory for each plugin that has no official one; none of them is needed for the others.
    """
    needed = []
    for name, stand_in in _STAND_INS.items():
        directory = shims / stand_in
        if _is_official(name, environment):
            shutil.rmtree(directory, ignore_errors=True)
            continue
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        shim = directory / name
        command = shlex.join([sys.executable, "-P", "-m", _MARK.decode(), stand_in])
        partial = shim.with_suffix(".partial")
        partial.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        partial.chmod(0o700)
        partial.replace(shim)
        needed.append(directory)
    return needed


def _is_official(name: str, environment: Mapping[str, str]) -> bool:
    path = [Path(entry) for entry in environment.get("PATH", "").split(os.pathsep) if entry]
    if any(_runs(entry / name) and _MARK not in (entry / name).read_bytes() for entry in path):
        return True
    if name == _LANGUAGE:  # bundled with pulumi
        pulumi = next((entry / "pulumi" for entry in path if _runs(entry / "pulumi")), None)
        return pulumi is not None and _runs(pulumi.resolve().with_name(name))
    home = environment.get("PULUMI_HOME") or Path(environment.get("HOME") or Path.home(), ".pulumi")
    package = _STAND_INS[name]
    return _runs(Path(home, "plugins", f"resource-{package}-v{_VERSIONS[package]}", name))


def _runs(file: Path) -> bool:
    return file.is_file() and os.access(file, os.X_OK)
