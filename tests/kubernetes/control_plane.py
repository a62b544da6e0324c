"""A real Kubernetes control plane for tests: etcd, kube-apiserver and kube-controller-manager on loopback.

There is no node, so no container runs; `stand_ins` has what tells the API server otherwise. The processes are tied to
the one that starts them: the kernel kills them when it dies (see `posture.local.tether`).
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

import httpx

from posture.local import tether
from posture.local.private import write_private
from tests.kubernetes.credentials import Authority, KeyPair, kubeconfig

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

__all__ = ["ControlPlane"]

CONTEXT = "admin"
RESTRICTED_CONTEXT = "restricted"
_MASTERS = "system:masters"
_PATIENCE = 60.0
_LOG_LINES = 15
# All else needs nodes, clouds or volumes, or would evict the pods of a node that sends no heartbeat.
_CONTROLLERS = (
    "clusterrole-aggregation-controller",
    "daemonset-controller",
    "deployment-controller",
    "endpoints-controller",
    "endpointslice-controller",
    "garbage-collector-controller",
    "job-controller",
    "namespace-controller",
    "replicaset-controller",
    "root-ca-certificate-publisher-controller",
    "serviceaccount-controller",
    "serviceaccount-token-controller",
    "statefulset-controller",
)
# Who asked for what, with bodies; the first rule that fits decides.
_AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "None", "users": ["system:apiserver", "system:kube-controller-manager", "stand-in:node"]},
        {"level": "None", "userGroups": ["system:serviceaccounts:kube-system"]},
        {"level": "RequestResponse", "verbs": ["create", "update", "patch", "delete", "deletecollection"]},
        {"level": "None"},
    ],
}


class ControlPlane:
    """Use it as a context manager: it is ready inside, and nothing of it runs or is listened to outside.

    Attributes:
        server: The API server's URL.
        kubeconfig: A file with the contexts `admin`, who may do everything, and `restricted`, who may do nothing but
            ask what there is. The current one is `restricted`: whoever forgets to say which is refused.
        context: The administrator's context.
        restricted_context: The other one.
    """

    context = CONTEXT
    restricted_context = RESTRICTED_CONTEXT

    def __init__(self, folder: Path, programs: Mapping[str, Path]) -> None:
        """Lay it out.

        Args:
            folder: An empty folder for all of its files.
            programs: The paths of etcd, kube-apiserver, kube-controller-manager and kubectl, by name.
        """
        self._folder = folder
        self._programs = programs
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._authority = Authority(folder)
        self._etcd_port, self._etcd_peer_port, port = _free_ports(3)
        self._port = port
        self.server = f"https://127.0.0.1:{port}"
        self.kubeconfig = folder / "kubeconfig"

    def __enter__(self) -> Self:
        self._write_files()
        try:
            self._start("etcd")
            self._start("kube-apiserver")
            with self.client("stand-in:setup") as client:
                self._wait_for(client, "/readyz")
                self._start("kube-controller-manager")  # it waits for no more than 10 s for an API server
                self._wait_for(client, "/api/v1/namespaces/default/serviceaccounts/default")
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Kill all of it; what it has stored is thrown away, so none needs to end in order."""
        for process in self._processes.values():
            process.kill()
        for process in self._processes.values():
            process.wait()
        shutil.rmtree(self._folder / "etcd", ignore_errors=True)  # 120 MB

    @property
    def pids(self) -> tuple[int, ...]:
        return tuple(process.pid for process in self._processes.values())

    def credentials(self, user: str) -> ssl.SSLContext:
        """What makes an administrator of that name; the name is what the audit log tells."""
        pair = self._authority.issue(user, _MASTERS)
        context = ssl.create_default_context(cafile=self._authority.certificate)
        context.load_cert_chain(pair.certificate, pair.key)
        return context

    def client(self, user: str) -> httpx.Client:
        """A plain HTTP client of the API server, as an administrator of that name."""
        return httpx.Client(base_url=self.server, verify=self.credentials(user), trust_env=False)

    def kubectl(self, *arguments: str, context: str = CONTEXT, given: str | None = None, check: bool = True) -> str:
        """What kubectl writes to both its outputs.

        Args:
            arguments: Its own.
            context: As whom.
            given: Its standard input.
            check: Whether it has to succeed.
        """
        done = subprocess.run(
            [self._programs["kubectl"], "--kubeconfig", self.kubeconfig, "--context", context, *arguments],
            env={**os.environ, "KUBECACHEDIR": str(self._folder / "kubectl-cache")},
            input=given,
            stdin=subprocess.DEVNULL if given is None else None,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0 or not check, f"kubectl {arguments} ended with {done.returncode}: {done.stdout}"
        return done.stdout

    def audit(self) -> Iterator[dict[str, Any]]:
        """The audit events so far (audit.k8s.io/v1, stage ResponseComplete), oldest first.

        Only writes are in it, and none of the control plane's own; dry runs and access reviews are writes as well
        (`requestURI` tells). An event may come a moment after its response.
        """
        with suppress(FileNotFoundError), (self._folder / "audit.log").open(encoding="utf-8") as log:
            for line in log:
                if line.endswith("\n"):
                    yield json.loads(line)

    def apply_crds(self, folder: Path) -> None:
        """Apply all definitions in a folder and wait until they are served."""
        self.kubectl("apply", "--server-side", "--filename", str(folder))
        self.kubectl("wait", "--for=condition=Established", "--timeout=30s", "--filename", str(folder))

    def _write_files(self) -> None:
        admin = self._authority.issue(CONTEXT, _MASTERS)
        users = {CONTEXT: admin, RESTRICTED_CONTEXT: self._authority.issue(RESTRICTED_CONTEXT)}
        write_private(self.kubeconfig, kubeconfig(self.server, self._authority, users, RESTRICTED_CONTEXT))
        manager = "system:kube-controller-manager"
        users = {manager: self._authority.issue(manager)}
        write_private(self._folder / "manager-kubeconfig", kubeconfig(self.server, self._authority, users, manager))
        (self._folder / "audit-policy.json").write_text(json.dumps(_AUDIT_POLICY))
        serving = self._authority.issue("kube-apiserver")
        commands = {
            "etcd": self._etcd(),
            "kube-apiserver": self._api_server(serving),
            "kube-controller-manager": self._controller_manager(serving),
        }
        programs = {
            name: {"command": [str(self._programs[name]), *arguments], "directory": ".", "environment": {}}
            for name, arguments in commands.items()
        }
        (self._folder / "programs.json").write_text(json.dumps(programs))

    def _etcd(self) -> tuple[str, ...]:
        url, peer_url = (f"http://127.0.0.1:{port}" for port in (self._etcd_port, self._etcd_peer_port))
        return (
            "--data-dir=etcd",
            f"--listen-client-urls={url}",
            f"--advertise-client-urls={url}",
            f"--listen-peer-urls={peer_url}",
            f"--initial-advertise-peer-urls={peer_url}",
            f"--initial-cluster=default={peer_url}",
            "--unsafe-no-fsync",  # nothing of it is kept
        )

    def _api_server(self, serving: KeyPair) -> tuple[str, ...]:
        return (
            f"--etcd-servers=http://127.0.0.1:{self._etcd_port}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",  # its own choice needs a default route
            "--endpoint-reconciler-type=none",  # it can't publish a loopback address
            f"--secure-port={self._port}",
            f"--tls-cert-file={serving.certificate}",
            f"--tls-private-key-file={serving.key}",
            f"--client-ca-file={self._authority.certificate}",
            "--anonymous-auth=false",
            "--authorization-mode=RBAC",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-signing-key-file={serving.key}",
            f"--service-account-key-file={serving.certificate}",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--audit-policy-file=audit-policy.json",
            "--audit-log-path=audit.log",
        )

    def _controller_manager(self, serving: KeyPair) -> tuple[str, ...]:
        return (
            "--kubeconfig=manager-kubeconfig",
            f"--controllers={','.join(_CONTROLLERS)}",
            "--leader-elect=false",
            "--secure-port=0",
            "--use-service-account-credentials",
            f"--service-account-private-key-file={serving.key}",
            f"--root-ca-file={self._authority.certificate}",
        )

    def _start(self, name: str) -> None:
        with (self._folder / f"{name}.log").open("wb") as log:
            self._processes[name] = subprocess.Popen(
                [sys.executable, "-I", "-S", tether.__file__, name],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def _wait_for(self, client: httpx.Client, path: str) -> None:
        deadline = time.monotonic() + _PATIENCE
        while True:
            with suppress(httpx.TransportError):
                if client.get(path).is_success:
                    return
            for name, process in self._processes.items():
                assert process.poll() is None, f"{name} has died:\n{self._log_end(name)}"
            assert time.monotonic() < deadline, f"no {path} after {_PATIENCE:.0f} s:\n{self._log_end('kube-apiserver')}"
            time.sleep(0.1)

    def _log_end(self, name: str) -> str:
        return "\n".join((self._folder / f"{name}.log").read_text(errors="replace").splitlines()[-_LOG_LINES:])


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
