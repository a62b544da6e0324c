"""What mTLS findings say of stand-in sidecars that are right, and of such as are wrong in one thing each."""

from __future__ import annotations

import datetime as dt
import socketserver
import ssl
import threading
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from posture.model.access import Access
from posture.model.application import load_application
from posture.model.entries import Kind, compile_entries
from posture.model.posture import load_posture
from posture.verify.findings import Outcome
from posture.verify.mtls import mtls_findings
from posture.verify.target import Endpoint

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

    from posture.verify.target import NearTarget

ROOT = Path(__file__).parents[2]
APPLICATION = load_application(ROOT / "apps" / "bookinfo.yaml")
ENTRIES = compile_entries(APPLICATION, load_posture(ROOT / "stacks", "layered-allow", APPLICATION))
ACCESS = Access(ENTRIES)
SPIFFE = "spiffe://stand-in.consul/ns/default/dc/local/svc/"
REFUSALS = {
    "refuses plaintext",
    "refuses TLS without a certificate",
    "refuses productpage's name from another CA",
    "refuses TLS 1.1",
}


class Authority:
    """A CA that makes certificates as Consul's does, and contexts that bear them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Stand-in CA")])
        authority = self._sign(self.name, self.key, x509.BasicConstraints(ca=True, path_length=None))
        self.root = authority.public_bytes(serialization.Encoding.PEM).decode()

    def context(self, protocol: int, name: x509.GeneralName | None) -> ssl.SSLContext:
        context = ssl.SSLContext(protocol)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=self.root)
        if name:
            key = ec.generate_private_key(ec.SECP256R1())
            certificate = self._sign(x509.Name([]), key, x509.SubjectAlternativeName([name]))
            file = self.folder / "leaf.pem"
            file.write_bytes(
                certificate.public_bytes(serialization.Encoding.PEM)
                + key.private_bytes(
                    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
                )
            )
            context.load_cert_chain(file)
        return context

    def _sign(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, extension: x509.ExtensionType
    ) -> x509.Certificate:
        now = dt.datetime.now(dt.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(hours=1))
            .not_valid_after(now + dt.timedelta(hours=1))
            .add_extension(extension, critical=True)
            .sign(self.key, hashes.SHA256())
        )


@dataclass(frozen=True)
class StandIn:
    """As much of a target as these findings ask for: one sidecar of details, and the gateway."""

    authority: Authority
    sidecar: Endpoint
    gateway: Endpoint

    def sidecars(self, service: str) -> list[Endpoint]:
        return [self.sidecar] if service == "details" else []

    def entrance(self) -> Endpoint:
        return self.gateway

    def context(self, source: str | None) -> ssl.SSLContext:
        name = x509.UniformResourceIdentifier(SPIFFE + source) if source else None
        return self.authority.context(ssl.PROTOCOL_TLS_CLIENT, name)

    def entrance_context(self) -> ssl.SSLContext:
        context = self.authority.context(ssl.PROTOCOL_TLS_CLIENT, None)
        context.check_hostname = True
        return context


@pytest.fixture
def serve() -> Iterator[Callable[[ssl.SSLContext, bool], Endpoint]]:
    """Start a server that answers over TLS, and in plain text too where it is told to."""
    started: list[socketserver.ThreadingTCPServer] = []

    def start(context: ssl.SSLContext, plaintext: bool = False) -> Endpoint:  # noqa: FBT001, FBT002 - a fixture's switch
        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                connection: socket.socket = self.request
                connection.settimeout(5)
                try:
                    if connection.recv(1, 2) == b"\x16":  # MSG_PEEK
                        connection = context.wrap_socket(connection, server_side=True)
                    elif not plaintext:
                        return
                    connection.recv(4096)
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                    connection.close()
                except OSError:
                    connection.close()

        server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        started.append(server)
        return Endpoint("details-v1", "127.0.0.1", server.server_address[1])

    yield start
    for server in started:
        server.shutdown()
        server.server_close()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def right(authority: Authority) -> ssl.SSLContext:
    """What the sidecar of details has."""
    return authority.context(ssl.PROTOCOL_TLS_SERVER, x509.UniformResourceIdentifier(f"{SPIFFE}details"))


@pytest.fixture
def target(authority: Authority, right: ssl.SSLContext, serve: Callable[..., Endpoint]) -> StandIn:
    entrance = authority.context(ssl.PROTOCOL_TLS_SERVER, x509.DNSName("localhost"))
    entrance.verify_mode = ssl.CERT_NONE
    return StandIn(authority, serve(right), serve(entrance)._replace(instance="gateway"))


def findings(target: StandIn, instance: str = "details-v1", access: Access = ACCESS) -> dict[str, tuple[Outcome, str]]:
    found = mtls_findings(cast("NearTarget", target), APPLICATION, access)
    return {
        each.name.removeprefix(f"{instance} "): (each.outcome, each.observed)
        for each in found
        if each.name.startswith(f"{instance} ")
    }


def failing(target: StandIn, instance: str = "details-v1") -> set[str]:
    return {name for name, (outcome, _) in findings(target, instance).items() if outcome is Outcome.FAILS}


def test_a_right_sidecar_holds_in_everything(target: StandIn) -> None:
    found = findings(target)
    assert {outcome for outcome, _ in found.values()} == {Outcome.HOLDS}, found
    assert found.keys() == {"answers productpage's own certificate", "proves to be details"} | REFUSALS
    assert "certificate required" in found["refuses TLS without a certificate"][1]
    assert "protocol version" in found["refuses TLS 1.1"][1]


def test_a_right_gateway_holds_in_everything(target: StandIn) -> None:
    found = findings(target, "gateway")
    assert {outcome for outcome, _ in found.values()} == {Outcome.HOLDS}, found
    assert found.keys() == {"answers over TLS", "refuses plaintext", "refuses TLS 1.1"}


def test_plaintext_that_is_answered_fails(
    target: StandIn, right: ssl.SSLContext, serve: Callable[..., Endpoint]
) -> None:
    assert failing(replace(target, sidecar=serve(right, plaintext=True))) == {"refuses plaintext"}


def test_a_gateway_that_answers_plaintext_fails(
    target: StandIn, authority: Authority, serve: Callable[..., Endpoint]
) -> None:
    entrance = authority.context(ssl.PROTOCOL_TLS_SERVER, x509.DNSName("localhost"))
    entrance.verify_mode = ssl.CERT_NONE
    gateway = serve(entrance, plaintext=True)._replace(instance="gateway")
    assert failing(replace(target, gateway=gateway), "gateway") == {"refuses plaintext"}


def test_an_answer_to_no_certificate_fails(target: StandIn, right: ssl.SSLContext) -> None:
    right.verify_mode = ssl.CERT_OPTIONAL
    assert failing(target) == {"refuses TLS without a certificate"}


def test_an_answer_to_whatever_certificate_fails(target: StandIn, right: ssl.SSLContext) -> None:
    right.verify_mode = ssl.CERT_NONE
    assert failing(target) == {"refuses TLS without a certificate", "refuses productpage's name from another CA"}


def test_a_version_below_the_floor_that_is_taken_fails(target: StandIn, right: ssl.SSLContext) -> None:
    right.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        right.minimum_version = ssl.TLSVersion.TLSv1_1
    assert failing(target) == {"refuses TLS 1.1"}


def test_the_floor_is_the_postures(target: StandIn, right: ssl.SSLContext) -> None:
    def higher(body: dict[str, object]) -> dict[str, object]:
        return {**body, "TLS": {"Incoming": {"TLSMinVersion": "TLSv1_3"}}}

    access = Access([replace(each, body=higher(each.body)) if each.kind is Kind.MESH else each for each in ENTRIES])
    assert findings(target, access=access)["refuses TLS 1.2"][0] is Outcome.FAILS
    right.minimum_version = ssl.TLSVersion.TLSv1_3
    found = findings(target, access=access)
    assert {outcome for outcome, _ in found.values()} == {Outcome.HOLDS}, found
    assert found.keys() >= {"refuses TLS 1.1", "refuses TLS 1.2"}


def test_a_certificate_that_names_another_service_fails(
    target: StandIn, authority: Authority, serve: Callable[..., Endpoint]
) -> None:
    other = authority.context(ssl.PROTOCOL_TLS_SERVER, x509.UniformResourceIdentifier(f"{SPIFFE}ratings"))
    assert failing(replace(target, sidecar=serve(other))) == {"proves to be details"}


def test_a_sidecar_of_another_ca_fails_and_its_refusals_prove_nothing(
    target: StandIn, tmp_path: Path, serve: Callable[..., Endpoint]
) -> None:
    other = Authority(tmp_path).context(ssl.PROTOCOL_TLS_SERVER, x509.UniformResourceIdentifier(f"{SPIFFE}details"))
    found = findings(replace(target, sidecar=serve(other)))
    assert found["answers productpage's own certificate"][0] is Outcome.FAILS
    assert {found[name][0] for name in REFUSALS} == {Outcome.NOT_MEASURED}


def test_where_nobody_listens_refusals_prove_nothing(target: StandIn, unused: Endpoint) -> None:
    found = findings(replace(target, sidecar=unused))
    assert found["answers productpage's own certificate"][0] is Outcome.FAILS
    assert {found[name][0] for name in REFUSALS} == {Outcome.NOT_MEASURED}


LIMITED = Access(
    [
        replace(each, body={**each.body, "MaxInboundConnections": 1})
        if (each.kind, each.name) == ("service-defaults", "details")
        else each
        for each in ENTRIES
    ]
)


def test_a_limit_that_others_use_up_is_no_failure(target: StandIn) -> None:
    """Envoy takes a connection too many, and closes it."""
    with socketserver.TCPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler) as full:
        thread = threading.Thread(target=full.serve_forever, args=(0.05,))
        thread.start()
        sidecar = Endpoint("details-v1", "127.0.0.1", full.server_address[1])
        found = findings(replace(target, sidecar=sidecar), access=LIMITED)
        full.shutdown()
        thread.join()
    assert {outcome for outcome, _ in found.values()} == {Outcome.NOT_MEASURED}, found


def test_a_limit_is_no_excuse_where_nobody_listens(target: StandIn, unused: Endpoint) -> None:
    found = findings(replace(target, sidecar=unused), access=LIMITED)
    assert found["answers productpage's own certificate"][0] is Outcome.FAILS


@pytest.fixture
def unused() -> Endpoint:
    with socketserver.TCPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler) as server:
        return Endpoint("details-v1", "127.0.0.1", server.server_address[1])
