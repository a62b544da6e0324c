"""What the policy pack and `posture preview` say of a stack in a cluster, deployed or not, reachable or not."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from posture.model.posture import available
from tests.conftest import GIT, ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.kubernetes.stacks import ClusterStack

pytestmark = [pytest.mark.kubernetes, pytest.mark.engine]

PACK = ("--policy-pack", str(ROOT / "policies"))


@pytest.fixture(scope="module")
def stack(cluster_stack: ClusterStack) -> ClusterStack:
    cluster_stack.configure()
    cluster_stack.posture("up", "deny-all")
    return cluster_stack


@pytest.fixture
def base(stack: ClusterStack) -> Iterator[str]:
    """A revision of the project that has the stack with deny-all."""
    stack.configure(posture="deny-all")
    files = ("apps", "stacks", "Pulumi.yaml", f"Pulumi.{stack.name}.yaml")
    for arguments in (("init", "--quiet"), ("add", *files), ("commit", "--quiet", "-m", "base"), ("tag", "base")):
        subprocess.run([*GIT, *arguments], cwd=stack.project.folder, check=True)
    yield "base"
    shutil.rmtree(stack.project.folder / ".git")


def opened(comment: str) -> set[tuple[str, str]]:
    """The calls that a comment says open, each with its request."""
    return set(re.findall(r"^\| (\S+ → \S+) \| `(\S+ \S+)` \| \*\*", comment, re.MULTILINE))


def opened_on_the_local_target(stack: ClusterStack) -> set[tuple[str, str]]:
    stack.project.add_stack("here", "127.213", 18499)
    said = stack.project.posture("diff", "deny-all", "layered-allow", "--stack", "here", "--format", "json").stdout
    calls = [change.values() for change in json.loads(said)["opened"]]
    return {(f"{source} → {destination}", f"{method} {path}") for source, destination, method, path, *_ in calls}


@pytest.mark.parametrize("posture", available(ROOT / "stacks"))
def test_no_rule_refuses_a_posture_that_is_shipped(stack: ClusterStack, posture: str) -> None:
    stack.configure(posture=posture)
    said = stack.pulumi("preview", *PACK)
    assert "consul-posture" in said.partition("Policies:")[2]
    assert "[mandatory]" not in said


def test_a_rule_refuses_what_a_stack_has_in_a_cluster(stack: ClusterStack) -> None:
    file = stack.project.folder / "stacks" / "careless.yaml"
    grants = "[{name: wide, from: reviews, to: ratings, permissions: [{pathPrefix: /ratings, methods: [GET]}]}]"
    file.write_text(f"description: careless\nextends: deny-all\ngrants: {grants}\n")
    stack.configure(posture="careless")
    try:
        said = stack.pulumi("preview", *PACK, check=1)
    finally:
        file.unlink()
    assert re.findall(r"\[mandatory\].*(CP\d+)", said) == ["CP203"]


def test_a_switch_opens_the_same_calls_as_on_the_local_target(stack: ClusterStack) -> None:
    stack.configure(posture="layered-allow")
    comment = stack.posture("preview", "--fail-on", "widening", check=1).stdout
    assert "`deny-all` → `layered-allow`, against what is deployed" in comment
    assert opened(comment) == opened_on_the_local_target(stack)
    assert len(opened(comment)) >= 4
    assert "4 to update" in comment


def test_a_cluster_that_does_not_answer_is_previewed_all_the_same(stack: ClusterStack, tmp_path: Path) -> None:
    text = stack.control_plane.kubeconfig.read_text()
    dead = tmp_path / "kubeconfig"
    dead.write_text(text.replace(stack.control_plane.server, "https://127.0.0.1:1"))
    stack.configure(posture="layered-allow", kubeconfig=str(dead))
    comment = stack.posture("preview").stdout
    assert opened(comment) == opened_on_the_local_target(stack)


def test_a_base_is_compared_as_a_cluster_would_have_it(stack: ClusterStack, base: str) -> None:
    comment = stack.posture("preview", "--base", base, "--fail-on", "any").stdout
    assert comment.startswith("<!-- consul-posture preview -->\n✓ Nothing changes ")
    stack.configure(posture="layered-allow", gatewaySecret="certificates/other-tls", clusterChecks=False)
    comment = stack.posture("preview", "--base", base).stdout
    assert f"`deny-all` → `layered-allow`, against {base}" in comment
    assert opened(comment) == opened_on_the_local_target(stack)
    edited = re.findall(r"^\| `(api-gateway/\S+|file-system-certificate/\S+)` \|.*", comment, re.MULTILINE)
    assert edited == ["api-gateway/gateway"], "of the gateway only the certificate that it names, for that is another"


def test_a_certificate_in_a_secret_that_the_engine_s_log_leaves_out_is_judged(
    stack: ClusterStack, page_certificate: tuple[Path, Path]
) -> None:
    """By the comment, on files, and by the pack, which the engine shows it."""
    certificate, key = (file.read_text() for file in page_certificate)
    stack.configure(posture="deny-all", gatewaySecret=None, gatewayCertificate=certificate)
    setting = ("config", "set", "--stack", stack.name, "--secret", "gatewayKey", "--", key)
    stack.project.run("pulumi", *setting, variables=stack.variables)
    pack = stack.project.folder / "policies"
    shutil.copytree(ROOT / "policies", pack, ignore=shutil.ignore_patterns("*.pyc"))
    (pack / "config.json").write_text('{"CP303": {"days": 36500}}')
    try:
        comment = stack.posture("preview", "--fail-on", "policy").stdout
        policy = stack.posture("policy", "--format", "json").stdout
        engine = stack.pulumi("preview", "--policy-pack", str(pack))
    finally:
        shutil.rmtree(pack)
    words = r"Secret/bookinfo/\S+ ends on \d{4}-\d\d-\d\d"
    (said,) = re.findall(rf"^\| 💡 CP303 \| ({words}) \|", comment, re.MULTILINE)
    assert said in engine
    placed = [(each["message"], each["file"]) for each in json.loads(policy)["findings"] if each["rule"] == "CP303"]
    assert placed == [(said, f"Pulumi.{stack.name}.yaml")]
    assert key.splitlines()[1] not in comment + policy + engine
