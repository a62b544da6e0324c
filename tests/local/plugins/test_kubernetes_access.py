from __future__ import annotations

import base64
import json
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from posture.local.plugins.kubernetes_access import access, active_cluster, kubeconfig
from posture.local.plugins.provider_server import Failure

CONFIG: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "first",
    "clusters": [{"name": name, "cluster": {"server": f"https://{name}.example"}} for name in ("one", "two")],
    "users": [{"name": "user", "user": {"token": "t"}}],
    "contexts": [
        {"name": "first", "context": {"cluster": "one", "user": "user"}},
        {"name": "second", "context": {"cluster": "two", "user": "user", "namespace": "shop"}},
        {"name": "broken", "context": {"cluster": "three", "user": "user"}},
    ],
}
CONTENT = json.dumps(CONFIG)


@pytest.mark.parametrize(
    ("options", "host", "namespace"),
    [
        ({}, "https://one.example", "default"),
        ({"context": "second"}, "https://two.example", "shop"),
        ({"context": "second", "namespace": "other"}, "https://two.example", "other"),
        ({"context": "second", "cluster": "one"}, "https://one.example", "shop"),
    ],
)
def test_the_provider_says_which_cluster_and_namespace(options: dict[str, str], host: str, namespace: str) -> None:
    found = access({"kubeconfig": CONTENT, **options}, {})
    assert (found.client.configuration.host, found.namespace) == (host, namespace)


@pytest.mark.parametrize("how", ["content", "path", "home", "variable", "default"])
def test_a_kubeconfig_is_a_content_a_path_or_where_kubectl_looks(tmp_path: Path, how: str) -> None:
    file = tmp_path / (".kube/config" if how == "default" else "config")
    file.parent.mkdir(exist_ok=True)
    file.write_text(CONTENT)
    given = {"content": CONTENT, "path": str(file), "home": "~/config"}.get(how)
    environment = {"HOME": str(tmp_path)} | ({"KUBECONFIG": str(file)} if how == "variable" else {})
    assert access({"kubeconfig": given}, environment).client.configuration.host == "https://one.example"


def test_several_files_are_merged_as_kubectl_does(tmp_path: Path) -> None:
    other = {**CONFIG, "current-context": "second"}
    other["clusters"] = [{"name": "one", "cluster": {"server": "https://late.example"}}]
    (tmp_path / "first").write_text(CONTENT)
    (tmp_path / "other").write_text(json.dumps(other))
    paths = {"KUBECONFIG": f"{tmp_path / 'none'}:{tmp_path / 'first'}:{tmp_path / 'other'}"}
    assert access({}, paths).client.configuration.host == "https://one.example"


def test_a_path_in_a_file_is_relative_to_the_file(tmp_path: Path) -> None:
    config = {**CONFIG, "users": [{"name": "user", "user": {"tokenFile": "token"}}]}
    (tmp_path / "config").write_text(json.dumps(config))
    (tmp_path / "token").write_text("from-a-file")
    found = access({}, {"KUBECONFIG": str(tmp_path / "config")})
    assert "from-a-file" in str(found.client.configuration.api_key)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kubeconfig": CONTENT, "context": "third"}, "the kubeconfig has no context 'third'"),
        ({"kubeconfig": CONTENT, "context": "broken"}, "the kubeconfig's context 'broken' can't be used"),
        ({"kubeconfig": "/no/such/file"}, "the kubeconfig can't be read"),
        ({"kubeconfig": "{"}, "the kubeconfig can't be read"),
        ({}, "there is no kubeconfig with a context"),
    ],
)
def test_what_can_not_be_used_is_said_and_nothing_else_is_taken(
    tmp_path: Path, options: dict[str, str], message: str
) -> None:
    with pytest.raises(Failure, match=message) as caught:
        access(options, {"HOME": str(tmp_path)})
    assert "\n" not in str(caught.value)


def test_no_key_is_left_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    certificate, key = self_signed()
    encoded = {
        name: base64.b64encode(pem).decode()
        for name, pem in (("client-certificate-data", certificate), ("client-key-data", key))
    }
    cluster = {"server": "https://one.example", "certificate-authority-data": encoded["client-certificate-data"]}
    config = {**CONFIG, "users": [{"name": "user", "user": encoded}], "clusters": [{"name": "one", "cluster": cluster}]}
    context = access({"kubeconfig": json.dumps(config)}, {}).client.rest_client.pool_manager.connection_pool_kw
    assert context["ssl_context"].get_ca_certs()
    assert not list(tmp_path.iterdir())


def self_signed() -> tuple[bytes, bytes]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM), pem


def test_the_token_is_in_no_message_about_a_kubeconfig_that_is_not_yaml(tmp_path: Path) -> None:
    with pytest.raises(Failure) as caught:
        access({"kubeconfig": "token: hunter2: [\n"}, {"HOME": str(tmp_path)})
    assert "hunter2" not in str(caught.value)


def test_the_cluster_that_options_mean_is_found_through_their_context() -> None:
    found = [
        active_cluster({"kubeconfig": CONTENT, **options}, {})
        for options in ({}, {"context": "second"}, {"cluster": "two"}, {"context": "none"})
    ]
    one, two = ({"server": f"https://{name}.example"} for name in ("one", "two"))
    assert found == [one, two, two, None]


def test_what_helm_is_handed_has_the_chosen_cluster_and_no_path_that_depends_on_where_it_is() -> None:
    clusters = [{"name": "one", "cluster": {"certificate-authority": "ca.crt"}}]
    content = json.dumps({**CONFIG, "clusters": clusters})
    config, name = kubeconfig({"kubeconfig": content, "context": "second", "cluster": "one"}, {})
    assert name == "second"
    assert config["contexts"][1]["context"]["cluster"] == "one"
    assert config["clusters"][0]["cluster"]["certificate-authority"] == str(Path.cwd() / "ca.crt")
