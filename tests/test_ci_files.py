"""What runs in continuous integration: pinned, and with no more rights than it needs, whoever opens a pull request."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from posture.model.settings import stacks, target_of
from posture.report.review_markdown import LIMIT, MARKER

ROOT = Path(__file__).parents[1]
WORKFLOWS = {file.stem: yaml.safe_load(file.read_text()) for file in (ROOT / ".github" / "workflows").glob("*.yml")}
OFFICIAL = re.compile(r"actions/[a-z-]+@[0-9a-f]{40}")


def steps(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("name", WORKFLOWS)
def test_actions_are_official_and_pinned_by_digest(name: str) -> None:
    used = [step["uses"] for step in steps(WORKFLOWS[name]) if "uses" in step]
    assert used
    assert all(OFFICIAL.fullmatch(each) for each in used)


@pytest.mark.parametrize("name", WORKFLOWS)
def test_no_shell_or_script_is_put_together_from_what_others_write(name: str) -> None:
    texts = [step.get("run") or (step.get("with") or {}).get("script") or "" for step in steps(WORKFLOWS[name])]
    assert any(texts)
    assert not [text for text in texts if "${{" in text]


def test_what_runs_a_pull_request_can_write_nothing_and_has_no_secret() -> None:
    preview = WORKFLOWS["preview"]
    assert preview["permissions"] == {"contents": "read"}
    assert list(preview[True]) == ["pull_request"], "YAML reads `on` as true; never pull_request_target"
    assert "secrets." not in (ROOT / ".github" / "workflows" / "preview.yml").read_text()
    (checkout,) = [step for step in steps(preview) if step.get("uses", "").startswith("actions/checkout")]
    assert checkout["with"]["persist-credentials"] is False
    assert all("permissions" not in job for job in preview["jobs"].values())


def test_a_pull_request_is_held_against_what_it_is_merged_with() -> None:
    """The event's base can be older than the merge, and would show what others have changed since."""
    assert "base.sha" not in (ROOT / ".github" / "workflows" / "preview.yml").read_text()
    (checkout,) = [step for step in steps(WORKFLOWS["preview"]) if step.get("uses", "").startswith("actions/checkout")]
    assert "ref" not in checkout["with"], "the merge, whose first parent is its base"
    assert checkout["with"]["fetch-depth"] == 0
    bases = [re.findall(r'--base ("[^"]*")', step.get("run", "")) for step in steps(WORKFLOWS["preview"])]
    assert [base for found in bases for base in found] == ['"$(git rev-parse HEAD^1)"']


def test_what_may_write_runs_nothing_of_a_pull_request() -> None:
    comment = WORKFLOWS["comment"]
    assert comment["permissions"] == {"actions": "read", "pull-requests": "write"}
    assert list(comment[True]) == ["workflow_run"]
    assert not [step for step in steps(comment) if "run" in step or "checkout" in step.get("uses", "")]


def test_the_comment_is_found_by_the_marker_that_the_report_writes() -> None:
    for file in (".github/workflows/comment.yml", "docs/ci/gitlab-comment.sh"):
        assert f"'{MARKER}'" in (ROOT / file).read_text()
    assert f"> {LIMIT})" in (ROOT / ".github/workflows/comment.yml").read_text()


@pytest.mark.parametrize("file", [".github/workflows/preview.yml", "docs/ci/gitlab-ci.yml", "docs/ci/preview.sh"])
def test_the_stacks_that_need_no_cluster_are_previewed_and_no_others(file: str) -> None:
    """A runner has no kubeconfig, and a stack that can't be previewed fails the job."""
    local = [name for name in stacks(ROOT) if target_of(ROOT, name) == "local"]
    assert re.findall(r"--stack (\S+)", (ROOT / file).read_text()) == local


@pytest.mark.parametrize("file", ["docs/ci/preview.sh", "docs/ci/gitlab-comment.sh"])
def test_shell_examples_are_shell(file: str) -> None:
    subprocess.run(["/bin/sh", "-n", str(ROOT / file)], check=True)


def test_the_hook_runs_the_command_on_postures() -> None:
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert hook["entry"] == "posture policy"
    assert all(re.search(hook["files"], f"stacks/{file.name}") for file in (ROOT / "stacks").glob("*.yaml"))
