"""How a pod gets its certificate, by the very script that runs in pods; and whether a sidecar's is the mesh's."""

from __future__ import annotations

import datetime as dt
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from posture.cluster.identities import Login, login_of, not_of_the_mesh
from posture.cluster.pods import Pod
from posture.errors import InputError
from tests.cluster.conftest import CERTIFICATE, KEY, TOKEN

if TYPE_CHECKING:
    from pathlib import Path
    from subprocess import CompletedProcess

    from tests.cluster.conftest import Server

INIT: dict[str, Any] = {
    "name": "consul-connect-inject-init",
    "env": [
        {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "CONSUL_ADDRESSES", "value": "consul-server.consul.svc"},
        {"name": "CONSUL_HTTP_PORT", "value": "8501"},
        {"name": "CONSUL_USE_TLS", "value": "true"},
        {"name": "CONSUL_CACERT_PEM", "value": "authority"},
        {"name": "CONSUL_TLS_SERVER_NAME"},
        {"name": "CONSUL_LOGIN_AUTH_METHOD", "value": "consul-k8s-auth-method"},
        {"name": "CONSUL_LOGIN_BEARER_TOKEN_FILE", "value": "/var/run/secrets/kubernetes.io/serviceaccount/token"},
    ],
    "volumeMounts": [
        {"name": "consul-connect-inject-data", "mountPath": "/consul/connect-inject"},
        {"name": "kube-api-access-x", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "readOnly": True},
    ],
}
"""What chart 1.9.7 puts into a pod, as far as it matters here."""


def log_in(server: Server, folder: Path, bearer: str = "a bearer", method: str = "method") -> CompletedProcess[str]:
    (folder / "bearer").write_text(bearer)
    login = Login(f"http://consul.test:{server.server_port}/v1", "127.0.0.1", method, str(folder / "bearer"), "", ())
    *command, _ = login.command("web")
    return subprocess.run([*command, str(folder / "own")], capture_output=True, text=True, check=False)


def test_a_pod_gets_its_certificate_and_gives_its_token_back(server: Server, tmp_path: Path) -> None:
    done = log_in(server, tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "first\nsecond\n", "")
    kept = {file.name: file for file in (tmp_path / "own").iterdir()}
    assert {name: file.read_text() for name, file in kept.items()} == {"certificate.pem": CERTIFICATE, "key.pem": KEY}
    assert {file.stat().st_mode & 0o777 for file in kept.values()} == {0o600}
    paths = [path.removeprefix("/v1/") for _, path, *_ in server.asked]
    assert paths == ["acl/login", "agent/connect/ca/leaf/web", "agent/connect/ca/roots", "acl/logout"]
    assert {headers.get("X-Consul-Token") for _, _, headers, _ in server.asked[1:]} == {TOKEN}


def test_a_pod_that_gets_none_says_consuls_words(server: Server, tmp_path: Path) -> None:
    done = log_in(server, tmp_path, bearer="another")
    assert done.returncode
    assert "Permission denied: no such account" in done.stderr
    assert done.stdout == ""


def pod(**init: Any) -> Pod:
    return Pod("web-v1", "web-v1-x", "10.0.0.1", {"spec": {"initContainers": [{**INIT, **init}]}})


def test_how_to_log_in_is_what_the_injector_told_the_pod() -> None:
    login = login_of(pod())
    assert (login.url, login.address) == ("https://consul-server.consul.svc:8501/v1", "consul-server.consul.svc")
    assert (login.method, login.authority) == ("consul-k8s-auth-method", "authority")
    assert [each["name"] for each in login.mounts] == ["kube-api-access-x"]


def test_a_server_is_known_by_the_name_on_its_certificate() -> None:
    env = [each for each in INIT["env"] if each["name"] != "CONSUL_TLS_SERVER_NAME"]
    login = login_of(pod(env=[*env, {"name": "CONSUL_TLS_SERVER_NAME", "value": "server.dc1.consul"}]))
    assert (login.url, login.address) == ("https://server.dc1.consul:8501/v1", "consul-server.consul.svc")


def test_without_a_sidecar_there_is_nothing_to_ask_by() -> None:
    with pytest.raises(InputError, match=r"pod web-v1-x has no sidecar"):
        login_of(pod(name="own"))


class Authority:
    def __init__(self, name: str = "mesh") -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.root = self.sign(self.name, self.key.public_key())

    def sign(self, subject: x509.Name, key: ec.EllipticCurvePublicKey, uri: str = "") -> str:
        now = dt.datetime.now(dt.UTC)
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self.name).public_key(key)
        builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + dt.timedelta(hours=1))
        if uri:
            names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri)])
            builder = builder.add_extension(names, critical=True)
        return builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()

    def leaf(self, service: str) -> str:
        key = ec.generate_private_key(ec.SECP256R1()).public_key()
        return self.sign(x509.Name([]), key, f"spiffe://x.consul/ns/default/dc/dc1/svc/{service}")


def test_a_sidecars_certificate_is_of_the_meshs_ca_and_for_its_service() -> None:
    mesh, other = Authority(), Authority("other")
    assert not_of_the_mesh([mesh.leaf("web")], other.root + mesh.root, "web") is None
    said = not_of_the_mesh([mesh.leaf("db")], mesh.root, "web")
    assert said == "its certificate is for spiffe://x.consul/ns/default/dc/dc1/svc/db"


@pytest.mark.parametrize("name", ["mesh", "other"])
def test_a_certificate_of_another_ca_is_not_believed_even_by_the_same_name(name: str) -> None:
    said = not_of_the_mesh([Authority(name).leaf("web")], Authority().root, "web")
    assert said == "its certificate is not of the mesh's CA"


def test_nor_is_none_at_all() -> None:
    assert not_of_the_mesh([], Authority().root, "web") == "its certificate is not of the mesh's CA"
