"""Keys and tokens are secrets."""

import re
from collections.abc import Iterator
from pathlib import Path

from policies.inputs import plain_texts
from policies.rule import Level, Options, Place, Problem, Rule
from policies.view import Plain, Resource
from posture.errors import InputError
from posture.model.yaml_reader import read_yaml

_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")
_JSON_WEB_TOKEN = re.compile(r"\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{16,}")
_NAMES = re.compile(
    r"(\A|[_-]|(?=[A-Z][a-z]))"
    r"(?i:token|password|passphrase|secret_?id|client_?secret|(encryption|gossip|private|api|access)_?key|http_?auth"
    r"|client-key-data)\Z"
)
_NO_SECRET = re.compile(
    r"(?i)|true|false|\$\{.*\}|(\.{0,2}|~)/.*|[a-z+]+:.*/.*|.*/[^/]*\.\w+|[a-z0-9.-]*(secret|token)[a-z0-9.-]*"
)
"""What such a field may also hold: nothing, a reference, a file's name, or the name of a Secret."""
_ANY = "?"
"""Stands for a text that isn't known yet: it may be a secret, and only the field's name tells."""


def judge(resource: Resource, _options: Options) -> Iterator[Problem]:
    for plain in resource.plain:
        what = _what(resource, plain)
        if not what:
            continue
        where = ".".join(map(str, plain.place))
        if plain.text is None:
            words = f"holds {what} that can't be judged: {where} is not known yet in this preview"
            yield Problem(f"{words}; mark it as a secret, by additionalSecretOutputs", plain.place)
        else:
            yield Problem(f"holds {what} in plain text: {where}", plain.place)


def _what(resource: Resource, plain: Plain) -> str | None:
    text = _ANY if plain.text is None else plain.text
    if resource.name.startswith("Secret/") and plain.place[0] in {"data", "stringData"}:
        return None if plain.key.endswith(".crt") else "a Secret's value"
    if _KEY.search(text):
        return "a private key"
    if _JSON_WEB_TOKEN.search(text):
        return "a JSON web token"
    if _is_named_so(plain.key, text):
        return f"a {plain.key}"
    if plain.key == "kubeconfig" and ("\n" in text or text.lstrip().startswith("{")):  # else it is a path
        return _what_of_a_kubeconfig(text)
    return f"the servers' {plain.key}" if text and _is_servers(plain.place) else None


def _is_named_so(key: str, text: str) -> bool:
    return bool(_NAMES.search(key)) and not _NO_SECRET.fullmatch(text)


def _what_of_a_kubeconfig(text: str) -> str | None:
    try:
        (read,) = read_yaml(text, Path("kubeconfig"))  # JSON is YAML
    except (InputError, ValueError):
        return "an unreadable kubeconfig"
    secret = (each.key for each in plain_texts(read.data if read else None) if _is_named_so(each.key, each.text or ""))
    name = next(secret, None)
    return name and f"a kubeconfig's {name}"


def _is_servers(place: Place) -> bool:
    """Whether it is a secret of an agent's configuration: its gossip key, or what is below acl.tokens."""
    if "extraConfig" not in place:
        return False
    below = [str(part).lower() for part in place[place.index("extraConfig") + 1 :]]
    return below[-1:] == ["encrypt"] or "tokens" in below[:-1]


RULE = Rule(
    id="CP601",
    title="No key or token is plain text",
    level=Level.MANDATORY,
    why="A plain input is stored and shown as it is: in the state, in previews, and in this repository for good.",
    mend="Take it from pulumi.Config().require_secret, or name a Secret that is made elsewhere; then change this one.",
    judge=judge,
)

ALLOWED = """
resources:
  consul:
    type: pulumi:providers:consul
    properties: {address: "https://consul.example.com:8501"}
  cluster:
    type: pulumi:providers:kubernetes
    properties:
      kubeconfig: |
        clusters: [{name: prod, cluster: {server: "https://10.0.0.1", certificate-authority-data: LS0tLS1CRUdJTiBD}}]
        users: [{name: ci, user: {tokenFile: /run/secrets/token}}, {name: me, user: {exec: {command: get-token}}}]
"""

REFUSED = """
resources:
  consul:
    type: pulumi:providers:consul
    properties: {address: "https://consul.example.com:8501", token: 0b1c6bd7-77f7-4b8a-a8f8-7f5a1a2a7f0e}
  cluster:
    type: pulumi:providers:kubernetes
    properties:
      kubeconfig: |
        clusters: [{name: prod, cluster: {server: "https://10.0.0.1", certificate-authority-data: LS0tLS1CRUdJTiBD}}]
        users: [{name: ci, user: {token: b3BlbiBzZXNhbWU}}]
"""
