"""How a pod gets the certificate of its service, as its own sidecar does: by its service account.

Consul's auth method takes a service account's token and gives one of its own, for the service of the account's name;
with that its servers hand out the service's leaf certificate (`GET /v1/agent/connect/ca/leaf/:service`). All of it
happens within the pod, which the key never leaves; the token is given back at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from posture.errors import InputError
from posture.verify.impostor import spiffe_ids

if TYPE_CHECKING:
    from posture.cluster.pods import Pod
    from posture.model.manifests.placement import Manifest

__all__ = ["FOLDER", "Login", "login_of", "not_of_the_mesh"]

FOLDER = "/tmp/posture-verify"  # noqa: S108 - a container's own, made with a mask of 077
_INIT, _SIDECAR = "consul-connect-inject-init", "consul-dataplane"

_SCRIPT = r"""
set -eu
umask 077
service=$1 url=$2 method=$3 bearer=$4 authority=$5 folder=$6
rm -rf "$folder" && mkdir "$folder" && cd "$folder"
printf '%s' "$authority" > authority.pem
ask() {
  curl -q --silent --show-error --fail-with-body --noproxy '*' --max-time 20 --cacert authority.pem --header @header "$@"
}
text() { sed -n 's/.*"'"$1"'":"\([^"]*\)".*/\1/p'; }
: > header
if [ -n "$method" ]; then
  printf '{"AuthMethod":"%s","BearerToken":"%s"}' "$method" "$(cat "$bearer")" |
    ask --request POST --data-binary @- "$url/acl/login" > login.json || { cat login.json >&2; exit 1; }
  printf 'X-Consul-Token: %s' "$(text SecretID < login.json)" > header
fi
ask "$url/agent/connect/ca/leaf/$service" > leaf.json || { cat leaf.json >&2; exit 1; }
printf '%b' "$(text CertPEM < leaf.json)" > certificate.pem
printf '%b' "$(text PrivateKeyPEM < leaf.json)" > key.pem
ask "$url/agent/connect/ca/roots" | grep -o '"RootCert":"[^"]*"' | cut -d '"' -f 4 |
  while IFS= read -r root; do printf '%b' "$root"; done
[ -z "$method" ] || ask --request POST "$url/acl/logout" > /dev/null
rm -f header login.json leaf.json authority.pem
"""


@dataclass(frozen=True)
class Login:
    """Where pods log in to Consul, as the injector has told one of them.

    Args:
        url: Of Consul's HTTP API, with its version.
        method: The auth method; empty where Consul has no ACLs.
        bearer: The file with the service account's token.
        authority: Who has signed the server's certificate, in PEM.
        mounts: Where a container finds these files.
        options: curl's, to reach a server by another name than that on its certificate.
    """

    url: str
    method: str
    bearer: str
    authority: str
    mounts: tuple[dict[str, Any], ...]

    def command(self, service: str) -> list[str]:
        """Leaves the service's certificate and key in `FOLDER`, and says the mesh's root certificates, in PEM."""
        return [
            *("sh", "-c", _SCRIPT, "login", service, self.url, self.method, self.bearer, self.authority, FOLDER),
        ]


def login_of(pod: Pod) -> Login:
    """How a pod's own sidecar logs in.

    Raises:
        InputError: It has none.
    """
    spec: Manifest = pod.manifest["spec"]
    init = next((each for each in spec.get("initContainers", ()) if each["name"].startswith(_INIT)), None)
    if init is None:
        raise InputError(f"pod {pod.name} has no sidecar of Consul's; see what connectInject in Consul's chart takes in")
    said = {each["name"]: each.get("value") or "" for each in init.get("env", ())}
    address = said["CONSUL_TLS_SERVER_NAME"] or said["CONSUL_ADDRESSES"]
    scheme = "https" if said.get("CONSUL_USE_TLS") == "true" else "http"
    bearer = said.get("CONSUL_LOGIN_BEARER_TOKEN_FILE", "")
    return Login(
        url=f"{scheme}://{address}:{said['CONSUL_HTTP_PORT']}/v1",
        method=said.get("CONSUL_LOGIN_AUTH_METHOD", ""),
        bearer=bearer,
        authority=said.get("CONSUL_CACERT_PEM", ""),
        mounts=tuple(each for each in init["volumeMounts"] if bearer and bearer.startswith(each["mountPath"])),
    )


def not_of_the_mesh(certificates: tuple[str, ...], roots: str, service: str) -> str | None:
    """What is wrong with a sidecar's certificates (PEM, its own first) as those of a service; None if nothing is."""
    try:
        chain = [x509.load_pem_x509_certificate(each.encode()) for each in certificates]
        chain += [
            root
            for root in x509.load_pem_x509_certificates(roots.encode())
            if root.subject == chain[-1].issuer
        ]
        for issued, issuer in zip(chain[:-1], chain[1:], strict=True):
            issued.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, IndexError, InvalidSignature):
        return "its certificate is not of the mesh's CA"
    return None
