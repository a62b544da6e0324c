"""Whatever stands in a file, it is used rightly or refused in one line, in bounded time and memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from posture.model.settings import target_of
from tests.conftest import ROOT
from tests.hostile.sandbox import posture, said
from tests.hostile.words import BOMBS, PROFILE, broken, hostile
from tests.policies.corpus_cases import base

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.hostile.sandbox import Sandbox

KUBECONFIG: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "kind-consul-posture",
    "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:9", "insecure-skip-tls-verify": True}}],
    "users": [{"name": "u", "user": {"token": "t0p-s3cret", "client-certificate": "x.pem", "client-key": "k.pem"}}],
    "contexts": [{"name": "kind-consul-posture", "context": {"cluster": "c", "user": "u", "namespace": "n"}}],
}
SUPPRESSIONS: dict[str, Any] = {
    "suppressions": [
        {"rule": "CP203", "resource": "mesh/mesh", "reason": "later", "expires": "2099-01-01", "stack": "dev"}
    ]
}
PACK: dict[str, Any] = {"CP302": {"enforcementLevel": "advisory"}, "CP303": {"days": 5}, "CP104": "mandatory"}
SETTINGS: dict[str, Any] = {
    "config": {
        "consul-posture:target": "local",
        "consul-posture:application": "bookinfo",
        "consul-posture:posture": "layered-allow",
        "consul-posture:through": "visitors",
        "consul-posture:edition": "community",
        "consul-posture:envoyWorkers": 2,
        "consul-posture:localNetwork": "127.20",
        "consul-posture:gatewayPort": 9443,
        "consul-posture:gatewayHostname": "shop.example",
        "consul-posture:clusterChecks": "false",
    }
}
CLUSTER: dict[str, Any] = {
    "config": {
        "consul-posture:target": "kubernetes",
        "consul-posture:kubeContext": "kind-consul-posture",
        "consul-posture:kubeconfig": "kubeconfig",
        "consul-posture:namespace": "shop",
        "consul-posture:consulChart": "existing",
        "consul-posture:consulChartVersion": "2.0.3",
        "consul-posture:consulValues": {"server": {"replicas": 3}, "global": {"name": "consul"}},
        "consul-posture:gatewaySecret": "certificates/page-tls",
        "consul-posture:images": {"details": "registry.example/details:1"},
        "consul-posture:probeImage": "curlimages/curl:8.17.0",
    }
}
OBJECTS = [document for on in ("local", "kubernetes") for _, document in base(on)]
Command = tuple[str, ...]


def of(file: str) -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / file).read_text()))


MATRIX = [("matrix", "--format", form) for form in ("text", "svg", "md")]
KINDS: dict[str, tuple[str, list[dict[str, Any]], list[Command]]] = {
    "application": (
        "apps/bookinfo.yaml",
        [of("apps/bookinfo.yaml")],
        [*MATRIX, ("manifests", "-s", "kind"), ("policy",), ("explain", "gateway", "productpage", "GET", "/")],
    ),
    "posture": (
        "stacks/layered-allow.yaml",
        [of(f"stacks/{name}.yaml") for name in ("layered-allow", "rate-limited")],
        [
            *MATRIX,
            *(("diff", "deny-all", "layered-allow", "--format", form) for form in ("text", "json", "md", "csv", "dot")),
            ("policy", "stacks/layered-allow.yaml"),
            ("explain", "reviews", "ratings", "POST", "/ratings/0"),
        ],
    ),
    "settings": (
        "Pulumi.dev.yaml",
        [SETTINGS],
        [("matrix",), ("policy",), ("status",), ("down",), ("verify",), ("env", "--stack", "nobody")],
    ),
    "cluster settings": (
        "Pulumi.kind.yaml",
        [CLUSTER],
        [("matrix", "-s", "kind"), ("manifests", "-s", "kind"), ("policy", "-s", "kind"), ("status", "-s", "kind")],
    ),
    "kubeconfig": ("kubeconfig", [KUBECONFIG], [("status", "-s", "kind"), ("verify", "-s", "kind")]),
    "pack": ("policies/config.json", [PACK], [("policy",)]),
    "suppressions": (
        "policies/suppressions.yaml",
        [SUPPRESSIONS],
        [("policy", "--format", form) for form in ("text", "json", "sarif", "junit")],
    ),
    "objects": ("objects.yaml", OBJECTS, [("policy", "objects.yaml", "--format", form) for form in ("text", "sarif")]),
}


def spoilt(kind: str, folder: Path, content: bytes) -> None:
    file = KINDS[kind][0]
    (folder / file).write_bytes(content)
    if kind in {"kubeconfig", "cluster settings"}:
        if kind == "kubeconfig":
            (folder / "Pulumi.kind.yaml").write_text(json.dumps(CLUSTER))
        else:
            (folder / "kubeconfig").write_text(json.dumps(KUBECONFIG))


def run(sandbox: Sandbox, folder: Path, command: Sequence[str]) -> None:
    environment = {"KUBECONFIG": str(folder / "kubeconfig")}
    answer = said(sandbox.ask(posture_in, folder, tuple(command), environment))
    assert "t0p-s3cret" not in answer.out + answer.err
    assert not (folder / "owned").exists()


def posture_in(folder: Path, command: Command, environment: dict[str, str]) -> Any:
    return posture(folder, *command, environment=environment)


@pytest.mark.parametrize("kind", KINDS)
def test_a_hostile_value_anywhere(kind: str, sandbox: Sandbox, folder: Path) -> None:
    _, documents, commands = KINDS[kind]

    @PROFILE(60)
    @given(st.one_of(*map(hostile, documents)), st.sampled_from(commands))
    def holds(text: str, command: Command) -> None:
        spoilt(kind, folder, text.encode(errors="surrogatepass"))
        run(sandbox, folder, command)

    holds()


@pytest.mark.parametrize("kind", KINDS)
def test_a_broken_text(kind: str, sandbox: Sandbox, folder: Path) -> None:
    file, documents, commands = KINDS[kind]
    texts = [(ROOT / file).read_text()] if (ROOT / file).exists() else []
    texts += [yaml.safe_dump(document) for document in documents[:3]]

    @PROFILE(30)
    @given(st.one_of(*map(broken, texts), st.binary(max_size=200)), st.sampled_from(commands))
    def holds(content: bytes, command: Command) -> None:
        spoilt(kind, folder, content)
        run(sandbox, folder, command)

    holds()


ENDLESS = [("posture", bomb) for bomb in BOMBS] + [
    (kind, bomb) for kind in KINDS for bomb in ("a billion laughs", "a billion merges", "brackets")
]


@pytest.mark.parametrize(("kind", "bomb"), ENDLESS)
def test_a_file_that_would_be_endless(kind: str, bomb: str, sandbox: Sandbox, folder: Path) -> None:
    spoilt(kind, folder, BOMBS[bomb])
    run(sandbox, folder, KINDS[kind][2][-1])


def test_a_pipe_that_is_written_to_is_read(folder: Path) -> None:
    """As by `posture policy <(helm template …)`."""
    program = Path(sys.executable).parent / "posture"
    written = json.dumps(OBJECTS[0])
    done = subprocess.run(
        [program, "policy", "/dev/stdin"], cwd=folder, input=written, text=True, capture_output=True, check=False
    )
    assert "1 resources" in done.stdout, done.stderr


def device(file: Path) -> None:
    file.symlink_to("/dev/zero")


def circle(file: Path) -> None:
    file.symlink_to(file)


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, device, circle], ids=["pipe", "folder", "device", "circle"])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_file(kind: str, make: Any, sandbox: Sandbox, folder: Path) -> None:
    file = folder / KINDS[kind][0]
    spoilt(kind, folder, b"")
    file.unlink()
    make(file)
    for command in KINDS[kind][2]:
        run(sandbox, folder, command)


TARGETS = [
    "  consul-posture:target: kubernetes\n",
    '  "consul-posture:target" : "kubernetes"\n',
    "  target: kubernetes\n",
    "  'target': 'kubernetes'\n",
]


@pytest.mark.parametrize("rest", ["", "  a: [\n", "  a: &a [*a]\n", "  a: 1\n  a: 2\n", "\t\n"])
@pytest.mark.parametrize("target", TARGETS)
def test_a_stack_of_a_cluster_is_never_taken_for_a_local_one(folder: Path, target: str, rest: str) -> None:
    """Or `down` would leave all that it has there."""
    (folder / "Pulumi.kind.yaml").write_text(f"config:\n  # consul-posture:target: local\n{target}{rest}")
    assert target_of(folder, "kind") == "kubernetes"
