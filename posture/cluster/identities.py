"""How a pod gets the certificate of its service, as its own sidecar does: by its service account.

Consul's auth method takes a service account's token and gives one of its own, for the service of the account's name;
with that its servers hand out the service's leaf certificate (`GET /v1/agent/connect/ca/leaf/:service`). All of it
happens within the pod, which the key never leaves; the token is given back at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding

from posture.errors import InputError
from posture.verify.impostor import spiffe_ids

if TYPE_CHECKING:
    from collections.abc import Sequence

    from posture.cluster.pods import Pod
    from posture.model.manifests.placement import Manifest

__all__ = ["FOLDER", "Login", "login_of", "not_of_the_mesh"]

FOLDER = "/tmp/posture-verify"  # noqa: S108 - a container's own, made with a mask of 077
_INIT, _SIDECAR = "consul-connect-inject-init", "consul-dataplane"

_SCRIPT = r"""
set -eu
umask 077
service=$1 url=$2 address=$3 method=$4 bearer=$5 authority=$6 folder=$7
rm -rf "$folder" && mkdir "$folder" && cd "$folder"
printf '%s' "$authority" > authority.pem
ask() {
  curl -q --silent --show-error --fail-with-body --noproxy '*' --max-time 20 --cacert authority.pem --header @header \
    --connect-to "::$address:" "$@"
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
        url: Of Consul's HTTP API, with its version, by the name that is on the server's certificate.
        address: Where the server is.
        method: The auth method; empty where Consul has no ACLs.
        bearer: The file with the service account's token.
        authority: Who has signed the server's certificate, in PEM.
        mounts: Where a container finds these files.
    """

    url: str
    address: str
    method: str
    bearer: str
    authority: str
    mounts: tuple[dict[str, Any], ...]

    def command(self, service: str) -> list[str]:
        """Leaves the service's certificate and key in `FOLDER`, and says the mesh's root certificates, in PEM."""
        return [
            *("sh", "-c", _SCRIPT, "login", service, self.url, self.address),
            *(self.method, self.bearer, self.authority, FOLDER),
        ]


def login_of(pod: Pod) -> Login:
    """How a pod's own sidecar logs in.

    Raises:
        InputError: It has none.
    """
    spec: Manifest = pod.manifest["spec"]
    init = next((each for each in spec.get("initContainers", ()) if each["name"].startswith(_INIT)), None)
    if init is None:
        raise InputError(
            f"pod {pod.name} has no sidecar of Consul's; see what connectInject in Consul's chart takes in"
        )
    said = {each["name"]: each.get("value") or "" for each in init.get("env", ())}
    address = said["CONSUL_ADDRESSES"]
    host = said.get("CONSUL_TLS_SERVER_NAME") or address
    scheme = "https" if said.get("CONSUL_USE_TLS") == "true" else "http"
    bearer = said.get("CONSUL_LOGIN_BEARER_TOKEN_FILE", "")
    return Login(
        url=f"{scheme}://{host}:{said['CONSUL_HTTP_PORT']}/v1",
        address=address,
        method=said.get("CONSUL_LOGIN_AUTH_METHOD", ""),
        bearer=bearer,
        authority=said.get("CONSUL_CACERT_PEM", ""),
        mounts=tuple(each for each in init["volumeMounts"] if bearer and bearer.startswith(each["mountPath"])),
    )


def not_of_the_mesh(certificates: Sequence[str], roots: str, service: str) -> str | None:
    """What is wrong with a sidecar's certificates (PEM, its own first) as those of a service; None if nothing is."""
    try:
        chain = [x509.load_pem_x509_certificate(each.encode()) for each in certificates]
        authorities = x509.load_pem_x509_certificates(roots.encode())
        root = next(each for each in authorities if each.subject == chain[-1].issuer)
        for issued, issuer in pairwise([*chain, root]):
            issued.verify_directly_issued_by(issuer)
        names = spiffe_ids(chain[0].public_bytes(Encoding.DER))
    except (ValueError, TypeError, IndexError, StopIteration, InvalidSignature):
        return "its certificate is not of the mesh's CA"
    if any(name.endswith(f"/svc/{service}") for name in names):
        return None
    return f"its certificate is for {', '.join(names) or 'nobody'}"
