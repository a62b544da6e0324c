"""Who sends what for which question, and that nothing is left behind. No cluster: commands are answered here."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from posture.cluster import probing
from posture.cluster.identities import FOLDER
from posture.cluster.pods import Pod, Ran
from posture.cluster.probing import ClusterTarget
from posture.errors import InputError
from posture.model.access import Arrival, Request
from posture.model.application import load_application
from posture.model.manifests.placement import Placement
from tests.cluster.test_identities import INIT, Authority

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from posture.cluster.connection import Connection

APPLICATION = load_application(Path(__file__).parents[2] / "apps" / "bookinfo.yaml")
PLACEMENT = Placement("prod", "bookinfo", "bookinfo", "consul", "v1", "bookinfo", "page-tls")
OUTSIDER = Pod("unknown", "posture-verify", "10.0.9.9", {})
PROBES = {"readinessProbe": {"httpGet": {"path": "/health", "port": 20300}}, "livenessProbe": {"tcpSocket": {}}}


class Cluster:
    """Runs every command of a probing container by answering as curl would: 200, or what is told by URL."""

    def __init__(self) -> None:
        self.mesh = Authority()
        self.ran: list[tuple[str, Sequence[str]]] = []
        self.told: dict[str, tuple[int, str]] = {}
        self.without_a_certificate = ""
        self.outsiders = 0
        self.addresses: Counter[str] = Counter()
        self.pending = ("", "")

    def pods(self, _connection: Connection, _namespace: str, labels: Mapping[str, str], name: str) -> list[Pod]:
        manifest = {"spec": {"initContainers": [INIT], "containers": [PROBES]}}
        version = labels.get("version", "")
        if (name, version) == self.pending:
            return []
        number = APPLICATION.services[name].versions.index(version) if version else 0
        own = self.addresses.setdefault(name, len(self.addresses) + 1)
        return [Pod(f"{name}-{version}".rstrip("-"), f"{name}-{version}-x", f"10.0.{own}.{number}", manifest)]

    def make_outsider(self, *_: object) -> Pod:
        self.outsiders += 1
        return OUTSIDER

    def remove_outsider(self, *_: object) -> None:
        self.outsiders -= 1

    def run(self, _connection: Connection, pod: Pod, container: str, command: Sequence[str]) -> Ran:
        assert container
        self.ran.append((pod.instance, command))
        if command[0] == "sh":
            service = command[4]
            refused = service == self.without_a_certificate
            return Ran("", "Permission denied", 22) if refused else Ran(self.mesh.root, "", 0)
        if command[0] != "curl":
            return Ran("", "", 0)
        return Ran("".join(map(self.answer, " ".join(command).split(" --next "))), "", 0)

    def answer(self, request: str) -> str:
        url, mark = request.rpartition(" ")[2], request.partition("--write-out \\n")[2].partition("\\n")[0]
        status, body = self.told.get(url, (200, "a page"))
        service = next((name for name in APPLICATION.services if f"Host: {name}" in request), "")
        certificate = self.mesh.leaf(service) if url.startswith("https://10.") else ""
        said = f"{status}|0|{'1' if status == 200 else ''}|"
        return f"{body}\n{mark}\n{said}\n{certificate}\n{mark}\n"


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    cluster = Cluster()
    for name in ("pods", "run", "make_outsider", "remove_outsider"):
        monkeypatch.setattr(probing, name, getattr(cluster, name))
    monkeypatch.setattr(probing, "ensure_probe", lambda *_: "posture-verify-0")
    return cluster


def target(patience: float = 0) -> ClusterTarget:
    return ClusterTarget(cast("Connection", None), APPLICATION, PLACEMENT, "registry.test/curl:8.17.0", patience)


def forgotten(cluster: Cluster) -> set[str]:
    return {instance for instance, command in cluster.ran if list(command) == ["rm", "-rf", FOLDER]}


def test_a_source_asks_each_instance_with_its_own_certificate(cluster: Cluster) -> None:
    with target() as mesh:
        cluster.told[f"https://10.0.{cluster.addresses['reviews']}.1:20000/reviews/0"] = (403, "RBAC: access denied")
        answers = mesh.ask(Request("productpage", "reviews", "GET", "/reviews/0"))
    assert [(each.status, each.denied, each.passed_on) for each in answers] == [
        (200, False, True),
        (403, True, False),
        (200, False, True),
    ]
    asked = [(instance, command) for instance, command in cluster.ran if command[0] == "curl"]
    [(instance, command)] = asked
    assert instance == "productpage-v1"
    assert command.count(f"{FOLDER}/certificate.pem") == command.count(f"{FOLDER}/key.pem") == 3


def test_an_answer_of_somebody_else_is_none(cluster: Cluster) -> None:
    with target() as mesh:
        cluster.mesh = Authority("another")
        [answer] = mesh.ask(Request("productpage", "details", "GET", "/details/0"))
    assert (answer.status, answer.words) == (None, "its certificate is not of the mesh's CA")


def test_visitors_and_strangers_are_the_pod_without_a_sidecar(cluster: Cluster) -> None:
    with target() as mesh:
        assert mesh.enter(Arrival("gateway", "GET", "/productpage")).status == 200
        tried = mesh.knock("details", "/details/0")
        mesh.ask(Request("unknown", "details"))
    asked = [(instance, command[-1]) for instance, command in cluster.ran if command[0] == "curl"]
    assert {instance for instance, _ in asked} == {"unknown"}
    assert asked[0][1] == "https://localhost:8443/productpage"
    assert [words for words, _ in tried] == [
        "details-v1 in plain text",
        "details-v1 over TLS",
        "details-v1 in plain text on its own port",
    ]


def test_the_ports_of_health_checks_are_those_of_the_pod(cluster: Cluster) -> None:
    with target() as mesh:
        assert mesh.health_checks("details-v1") == {20300: "/health"}
        assert mesh.proxies() == [
            *("productpage-v1", "details-v1", "reviews-v1", "reviews-v2", "reviews-v3", "ratings-v1"),
            *("fortio", "gateway"),
        ]
    assert cluster.outsiders == 0


def test_certificates_and_the_pod_go_when_it_ends(cluster: Cluster) -> None:
    with pytest.raises(KeyboardInterrupt), target():
        raise KeyboardInterrupt
    assert cluster.outsiders == 0
    assert forgotten(cluster) >= {"details-v1", "fortio", "gateway"}


def test_they_go_when_it_can_not_begin_and_it_is_said_who_gets_none(cluster: Cluster) -> None:
    cluster.without_a_certificate = "ratings"
    with pytest.raises(InputError, match=r"'ratings' gets no certificate from Consul: Permission denied"), target():
        pass
    assert cluster.outsiders == 0
    assert forgotten(cluster) >= {"details-v1", "fortio", "gateway"}


def test_a_gateway_that_comes_late_is_waited_for(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    late: Iterator[list[Pod]] = iter([[], []])

    def pods(*asked: Any) -> list[Pod]:
        return next(late, cluster.pods(*asked)) if asked[-1] == "gateway" else cluster.pods(*asked)

    monkeypatch.setattr(probing, "pods", pods)
    with target(patience=60) as mesh:
        assert "gateway" in mesh.proxies()


def test_a_version_without_a_pod_is_not_passed_over(cluster: Cluster) -> None:
    cluster.pending = ("reviews", "v3")
    with pytest.raises(InputError, match=r"no pod of reviews v3 runs in namespace bookinfo"), target():
        pass


def test_a_member_without_a_pod_is_named(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: Any) -> list[Pod]:
        return []

    monkeypatch.setattr(probing, "pods", none)
    with pytest.raises(InputError, match=r"no pod of productpage v1 runs in namespace bookinfo"), target():
        pass
    assert cluster.outsiders == 0
