"""Asks a mesh in a cluster, from inside of its pods.

A request is sent by curl in an ephemeral container of a pod of its source, straight to the sidecar of each instance of
its destination, with the certificate that the pod's service account is given by Consul. So it doesn't depend on what
the source's own sidecar knows: that one learns of a destination only where an intention allows the call, and sends
what goes elsewhere on in plain text, which a sidecar closes without a word (measured with chart 1.9.7).
"""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from posture.cluster.curl import Answered, Sent, read, written
from posture.cluster.entries import HeldEntries, read_entries
from posture.cluster.identities import FOLDER, login_of, not_of_the_mesh
from posture.cluster.outsider import CONTAINER, make_outsider, remove_outsider
from posture.cluster.pods import Pod, Ran, pods, run
from posture.cluster.probes import ensure_probe
from posture.errors import InputError
from posture.model.matrix import UNKNOWN
from posture.verify.answers import Answer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from posture.cluster.connection import Connection
    from posture.model.access import Arrival, Request
    from posture.model.application import Application
    from posture.model.manifests.placement import Placement
    from posture.verify.attempts import Attempt

__all__ = ["ClusterTarget"]

SIDECAR_PORT = 20000
"""Where each sidecar takes mesh traffic (consul-k8s: `ProxyDefaultInboundPort`)."""

_ADMIN = "http://127.0.0.1:19000"
_AT_ONCE = 8
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_GATEWAY_LABEL = "gateway.consul.hashicorp.com/name"


class _Asking(NamedTuple):
    """A container that can ask, in a pod."""

    pod: Pod
    container: str


class ClusterTarget:
    """A mesh in a cluster as `posture.verify` asks it; a context manager; the pods are those that ran when it began.

    What it has made it removes, but for the ephemeral containers, which can't be.

    Args:
        connection: The cluster.
        application: What runs there.
        placement: Where.
        image: The probing containers': curl 7.88 or newer, and a shell.
        patience: Seconds for pods to run: a gateway's comes when it will, and no resource waits for it.

    Raises:
        InputError: On entering, or by any question: no permission, a container that does not start, no pod.
    """

    near = None

    def __init__(
        self, connection: Connection, application: Application, placement: Placement, image: str, patience: float = 0
    ) -> None:
        self._connection = connection
        self._application = application
        self._placement = placement
        self._image = image
        self._patience = patience
        self._pods: dict[str, list[Pod]] = {}
        self._asking: dict[str, _Asking] = {}
        self._roots: dict[str, str] = {}

    def __enter__(self) -> Self:
        """Have a container to ask from in each pod, and in it the certificate of its service."""
        try:
            self._asking[UNKNOWN] = _Asking(make_outsider(self._connection, self._placement, self._image), CONTAINER)
            self._pods = dict(self._find())
            everyone = [pod for found in self._pods.values() for pod in found]
            with ThreadPoolExecutor(_AT_ONCE) as pool:
                for pod, asking in zip(everyone, pool.map(self._prepare, everyone), strict=True):
                    self._asking[pod.instance] = asking
                sources = [*self._pods, UNKNOWN]
                self._roots = dict(zip(sources, pool.map(self._enrol, sources), strict=True))
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Remove what was made."""
        self.close()

    def close(self) -> None:
        """Remove the certificates and the pod that were made."""
        outsider = self._asking.pop(UNKNOWN, None)
        try:
            with ThreadPoolExecutor(_AT_ONCE) as pool:
                list(pool.map(self._forget, self._asking.values()))
        finally:
            if outsider:
                remove_outsider(self._connection, self._placement)

    def instances(self, service: str) -> list[str]:
        """The names of a service's instances."""
        return [pod.instance for pod in self._pods[service]]

    def proxies(self) -> list[str]:
        """The names of all Envoys."""
        return [name for name in self._asking if name != UNKNOWN]

    def ask(self, request: Request) -> list[Answer]:
        """Send a request to the sidecar of each instance of its destination, from a pod of its source."""
        source = request.source or ""
        sent = [
            Sent(
                f"https://{pod.host}:{SIDECAR_PORT}{request.path}",
                request.method,
                {"Host": request.destination, **request.headers},
                ("--cert", f"{FOLDER}/certificate.pem", "--key", f"{FOLDER}/key.pem"),
            )
            for pod in self._pods[request.destination]
        ]
        return [_answer(each, self._roots[source], request.destination) for each in self._curl(self._by(source), sent)]

    def enter(self, arrival: Arrival) -> Answer:
        """Send a request to the gateway, from a pod without a sidecar."""
        gateway, [pod, *_] = self._application.gateway, self._pods[self._application.gateway.name]
        host = arrival.host or gateway.host
        url = f"https://{host}:{gateway.port}{arrival.path}"
        way = ("--connect-to", f"::{pod.host}:")
        [answered] = self._curl(self._asking[UNKNOWN], [Sent(url, arrival.method, arrival.headers, way)])
        return answered.answer

    def knock(self, service: str, path: str) -> list[tuple[str, Attempt]]:
        """GET a path of each instance from a pod without a sidecar: of its sidecar's port, and of its own."""
        port = self._application.services[service].port
        ways = [
            (f"{pod.instance} {words}", Sent(f"{scheme}://{pod.host}:{number}{path}", headers={"Host": service}))
            for pod in self._pods[service]
            for words, scheme, number in (
                ("in plain text", "http", SIDECAR_PORT),
                ("over TLS", "https", SIDECAR_PORT),
                ("in plain text on its own port", "http", port),
            )
        ]
        answered = self._curl(self._asking[UNKNOWN], [sent for _, sent in ways])
        return [(words, each.attempt) for (words, _), each in zip(ways, answered, strict=True)]

    def health_checks(self, instance: str) -> dict[int, str]:
        """The HTTP probes of an instance's pod, as the injector has rewritten them."""
        containers = self._asking[instance].pod.manifest["spec"]["containers"]
        probes = [each.get(kind) or {} for each in containers for kind in _PROBES]
        return {probe["httpGet"]["port"]: probe["httpGet"]["path"] for probe in probes if "httpGet" in probe}

    def entries(self) -> list[dict[str, Any]]:
        """All config entries that Consul holds, or what its custom resources say; see ``unread``."""
        return self._held.entries

    @property
    def unread(self) -> str | None:
        """Why these may not be all entries."""
        return self._held.unread

    def envoy(self, instance: str, path: str) -> str | None:
        """What the admin API of an instance's Envoy answers; it listens within its pod only."""
        done = self._run(
            self._asking[instance],
            ["curl", "-q", "--silent", "--fail", "--globoff", "--max-time", "10", f"{_ADMIN}{path}"],
        )
        return done.output if done.status == 0 else None

    def load(self, source: str, destination: str, path: str, *options: str) -> dict[str, Any]:
        """Fortio's JSON result, run in the client's own container, so through its own sidecar.

        Raises:
            InputError: Fortio's own words.
        """
        url = f"http://{destination}:{self._application.services[destination].port}{path}"
        command = ["fortio", "load", "-quiet", "-json", "-", *options, url]
        done = run(self._connection, self._by(source).pod, source, command)
        if done.status:
            raise InputError(f"fortio failed in the pod of {source}: {done.errors[-200:].strip()}; see its image")
        return dict(json.loads(done.output))

    @cached_property
    def _held(self) -> HeldEntries:
        return read_entries(self._connection, self._placement)

    def _find(self) -> Iterator[tuple[str, list[Pod]]]:
        """The pods by member, of each version at least one, and the gateway's."""
        namespace, gateway = self._placement.namespace, self._application.gateway.name
        ours = {"app.kubernetes.io/instance": self._placement.stack}
        until = time.monotonic() + self._patience
        wanted = {
            **{
                name: [{"app": name, "version": version, **ours} for version in service.versions]
                for name, service in self._application.services.items()
            },
            **{name: [{"app": name, **ours}] for name in self._application.clients},
            gateway: [{_GATEWAY_LABEL: gateway}],
        }
        for name, each in wanted.items():
            found = []
            for labels in each:
                while not (some := pods(self._connection, namespace, labels, name)) and time.monotonic() < until:
                    time.sleep(0.5)
                if not some:
                    what = " ".join(filter(None, (name, labels.get("version"))))
                    raise InputError(
                        f"no pod of {what} runs in namespace {namespace}; see: kubectl get pods -n {namespace}"
                    )
                found += some
            yield name, found

    def _prepare(self, pod: Pod) -> _Asking:
        return _Asking(pod, ensure_probe(self._connection, pod, self._image, login_of(pod).mounts))

    def _enrol(self, source: str) -> str:
        """Have a source fetch its certificate; the mesh's roots, in PEM."""
        # An outsider has no sidecar that could tell how.
        pod = next(iter(self._pods.values()))[0] if source == UNKNOWN else self._by(source).pod
        done = self._run(self._by(source), login_of(pod).command(source))
        if done.status:
            words = " ".join(done.errors.split())[-200:]
            raise InputError(f"'{source}' gets no certificate from Consul: {words}; see its service account")
        return done.output

    def _forget(self, asking: _Asking) -> None:
        with suppress(InputError):  # a pod that is gone has none left
            self._run(asking, ["rm", "-rf", FOLDER])

    def _by(self, source: str) -> _Asking:
        """Where a source asks from: the first of its instances."""
        return self._asking[UNKNOWN if source == UNKNOWN else self._pods[source][0].instance]

    def _curl(self, asking: _Asking, requests: Sequence[Sent]) -> Sequence[Answered]:
        command, mark = written(requests)
        done = self._run(asking, command)
        try:
            return read(done.output, mark, len(requests))
        except ValueError as error:
            raise InputError(f"{error} {done.errors[:200]}; set 'probeImage' to one with curl 7.88 or newer") from None

    def _run(self, asking: _Asking, command: Sequence[str]) -> Ran:
        return run(self._connection, asking.pod, asking.container, command)


def _answer(answered: Answered, roots: str, service: str) -> Answer:
    if answered.status and (trouble := not_of_the_mesh(answered.certificates, roots, service)):
        return Answer(None, trouble)
    return answered.answer
