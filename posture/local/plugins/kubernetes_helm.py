"""The `helm` command, by which the stand-in for the kubernetes plugin handles releases.

Nothing that may be secret is in its arguments or in a file: values go through its standard input, and the kubeconfig
through a file that is in memory only, and under no name. The flags are those that the official plugin sets in Helm's
library (pulumi-kubernetes 4.32.0, helm_release.go).
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
from asyncio.subprocess import PIPE
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import yaml

from posture.local.plugins.kubernetes_access import kubeconfig
from posture.local.plugins.kubernetes_limits import official_only
from posture.local.plugins.provider_server import Failure

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Iterator, Mapping

__all__ = ["TIMEOUT", "Helm", "Release"]

Release = dict[str, Any]
"""The inputs of a `kubernetes:helm.sh/v3:Release`, by their Pulumi names."""

TIMEOUT = 300
"""How long is waited for a release that doesn't say, in seconds."""

_NOT_FOUND = "release: not found"
# Of the variables that Helm reads, those that say where its files are; the others would send it to another cluster.
_FILES = frozenset(
    f"HELM_{name}"
    for name in ("CACHE_HOME", "CONFIG_HOME", "DATA_HOME", "REGISTRY_CONFIG", "REPOSITORY_CACHE", "REPOSITORY_CONFIG")
)


class Helm:
    """Runs `helm` on the cluster that the provider's options mean.

    Every method raises a `Failure`: Helm's own words in one line, or that there is no `helm`.
    """

    def __init__(self, options: Mapping[str, Any], environment: Mapping[str, str]) -> None:
        self._options = options
        self._environment = environment
        self._running: set[Process] = set()

    async def chart(self, release: Release) -> dict[str, Any]:
        """Return the metadata (`Chart.yaml`) of a release's chart; no cluster is asked."""
        return dict(yaml.safe_load(await self._run("show", "chart", *_chart(release))))

    async def install(self, release: Release) -> None:
        """Install a release and wait for it; one that fails is there nevertheless, unless it is atomic."""
        await self._on_cluster("install", release, *_chart(release), *_waiting(release), "--values=-")

    async def upgrade(self, release: Release) -> None:
        """Upgrade a release in place, one that has failed too, and wait for it."""
        keep_all = "--history-max=0"
        await self._on_cluster("upgrade", release, *_chart(release), *_waiting(release), keep_all, "--values=-")

    async def uninstall(self, release: Release) -> None:
        """Delete all that a release has made and wait until that is gone.

        One that is gone already is no failure, for Helm forgets a release even where its objects don't go in time; the
        official plugin fails on it until a refresh.
        """
        wait = ("--wait",) if release.get("atomic") or not release.get("skipAwait") else ()
        await self._on_cluster("uninstall", release, "--ignore-not-found", *wait, _timeout(release))

    async def find(self, release: Release) -> dict[str, Any] | None:
        """Return what there is of a release, or None.

        Its keys are those of `helm get metadata` (`chart`, `version`, `appVersion`, `revision`, `status`, …), with
        `values`, those that it was given, and `manifest`, the YAML of its objects.
        """
        try:
            metadata = json.loads(await self._on_cluster("get", release, "--output=json", what=("metadata",)))
            status = json.loads(await self._on_cluster("status", release, "--output=json"))
        except Failure as failure:
            if _NOT_FOUND in str(failure):
                return None
            raise
        return {**metadata, "values": status.get("config") or {}, "manifest": status.get("manifest", "")}

    def stop(self) -> None:
        """Have what is running end; an installation or upgrade is then marked as failed."""
        for process in self._running:
            with suppress(ProcessLookupError):
                process.terminate()

    async def _on_cluster(self, command: str, release: Release, *flags: str, what: tuple[str, ...] = ()) -> str:
        config, context = kubeconfig(self._options, self._environment)
        place = [release["name"], f"--namespace={release['namespace']}", f"--kube-context={context}"]
        values = json.dumps(release.get("values", {})) if "--values=-" in flags else ""
        with _in_memory(json.dumps(config)) as file:
            where = f"--kubeconfig=/proc/self/fd/{file}"
            return await self._run(command, *what, *place, where, *flags, given=values, file=file)

    async def _run(self, command: str, *arguments: str, given: str = "", file: int | None = None) -> str:
        program = shutil.which("helm", path=self._environment.get("PATH", ""))
        if program is None:
            raise official_only("a Helm release where there is no 'helm' on PATH")
        inherited = self._environment.items()
        process = await asyncio.create_subprocess_exec(
            program,
            command,
            *arguments,
            env={key: value for key, value in inherited if not key.startswith("HELM_") or key in _FILES},
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            pass_fds=() if file is None else (file,),
        )
        self._running.add(process)
        try:
            output, errors = await process.communicate(given.encode())
        finally:
            self._running.discard(process)
        if process.returncode:
            said = re.split("^Error: ", errors.decode(errors="replace"), flags=re.MULTILINE)[-1]  # warnings come first
            words = " ".join(said.split()) or f"it ended with status {process.returncode}"
            raise Failure(f"helm {command}: {words}")
        return output.decode()


def _chart(release: Release) -> list[str]:
    repository = (release.get("repositoryOpts") or {}).get("repo")
    flags = {"--repo": repository, "--version": release.get("version")}
    return [release["chart"], *(f"{flag}={value}" for flag, value in flags.items() if value)]


def _waiting(release: Release) -> list[str]:
    wait = not release.get("skipAwait")
    flags = {"--wait": wait, "--wait-for-jobs": wait and release.get("waitForJobs"), "--atomic": release.get("atomic")}
    return [*(flag for flag, wanted in flags.items() if wanted), _timeout(release)]


def _timeout(release: Release) -> str:
    return f"--timeout={release.get('timeout') or TIMEOUT}s"


@contextmanager
def _in_memory(text: str) -> Iterator[int]:
    """Give a file that other processes can read only if it is handed to them, as its number."""
    if not hasattr(os, "memfd_create"):
        raise official_only("a Helm release on a system without memfd_create")
    file = os.memfd_create("kubeconfig")
    try:
        os.fchmod(file, 0o600)  # Helm warns of others
        os.write(file, text.encode())
        yield file
    finally:
        os.close(file)
