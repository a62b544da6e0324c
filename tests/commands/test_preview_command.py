"""`posture preview` as a pull request runs it: the real engine, against a base revision, with nothing deployed."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from posture.commands.preview import _checked_out
from posture.errors import InputError
from tests.conftest import GIT, ROOT, Project

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.engine
NOTHING = "Nothing changes on dev in who may call whom, and under what limits and protections."
SUPPRESSIONS = """\
suppressions:
  - rule: CP203
    resource: service-intentions/ratings
    reason: until it is moved
    expires: 9999-12-31
    stack: other
"""


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with a first revision, called base, and no stack but dev."""
    project = Project.copied(tmp_path_factory.mktemp("repository"))
    (project.folder / ".gitignore").write_text(".posture\n.venv\npulumi-home\n")
    for arguments in (("init", "--quiet"), ("add", "--all"), ("commit", "--quiet", "-m", "base"), ("tag", "base")):
        subprocess.run([*GIT, *arguments], cwd=project.folder, check=True)
    return project


@pytest.fixture
def layered_allow(repository: Project) -> Iterator[Path]:
    """The file of the posture of dev, as it was again afterwards."""
    file = repository.folder / "stacks" / "layered-allow.yaml"
    before = file.read_text()
    yield file
    file.write_text(before)


def test_no_change_is_one_line_whatever_is_to_fail(repository: Project) -> None:
    answer = repository.posture("preview", "-s", "dev", "--base", "base", "--fail-on", "any", "--fail-on", "widening")
    assert answer.stdout == f"<!-- consul-posture preview -->\n✓ {NOTHING}\n"


def test_a_base_that_links_out_of_the_project_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.dev.yaml").write_text("config: {}\n")
    (tmp_path / "stacks").symlink_to("../shared/stacks")
    for arguments in (("init", "--quiet"), ("add", "--all"), ("commit", "--quiet", "-m", "base")):
        subprocess.run([*GIT, *arguments], cwd=tmp_path, check=True)
    words = r"^'stacks' of revision 'HEAD' links to what isn't in the project's folder; put it there, or preview"
    with pytest.raises(InputError, match=words), _checked_out(tmp_path, "HEAD"):
        pass


def test_a_widened_grant_is_shown_and_fails_where_that_is_asked_for(repository: Project, layered_allow: Path) -> None:
    layered_allow.write_text(
        layered_allow.read_text().replace("/ratings/, methods: [GET]", "/ratings/, methods: [GET, POST]")
    )
    comment = repository.folder.parent / "comment.md"
    options = ("preview", "-s", "dev", "--base", "base", "--out", str(comment))
    assert repository.posture(*options).stdout == ""
    text = comment.read_text()
    assert text.splitlines()[1] == "## Posture: ⚠️ opens 2 calls"
    assert "| reviews → ratings | `POST /ratings/0` | **new method** |" in text
    assert "what the engine says" in text
    repository.posture(*options, "--fail-on", "policy")
    repository.posture(*options, "--fail-on", "widening", check=1)


def test_a_narrowed_grant_fails_where_anything_is_to(repository: Project, layered_allow: Path) -> None:
    layered_allow.write_text(layered_allow.read_text().replace("pathPrefix: /ratings/", "pathExact: /ratings/0"))
    answer = repository.posture("preview", "-s", "dev", "--base", "base", "--fail-on", "any", check=1)
    assert answer.stdout.splitlines()[1] == "## Posture: opens nothing"


def test_a_refused_posture_fails_where_policies_are_asked_for(repository: Project, layered_allow: Path) -> None:
    layered_allow.write_text(layered_allow.read_text().replace("pathPrefix: /ratings/", "pathPrefix: /ratings"))
    answer = repository.posture("preview", "-s", "dev", "--base", "base", "--fail-on", "policy", check=1)
    assert "❌ 1 refused by policy" in answer.stdout
    assert "| ❌ CP203 | service-intentions/ratings prefix /ratings also matches /ratingsX |" in answer.stdout


def test_a_secret_of_the_stack_is_nowhere_in_the_comment(repository: Project, layered_allow: Path) -> None:
    repository.posture("env", "-s", "dev")  # makes its passphrase
    secret = (repository.folder / ".posture" / "dev" / "passphrase").read_text().strip()
    layered_allow.write_text(layered_allow.read_text().replace("pathPrefix: /ratings/", f"pathPrefix: /{secret}"))
    comment = repository.posture("preview", "-s", "dev", "--base", "base").stdout
    assert secret not in comment
    assert "| reviews → ratings | `GET /[removed]` | **wider path** |" in comment
    assert r"| ❌ CP203 | service-intentions/ratings prefix /\[removed\] also matches /\[removed\]X |" in comment
    assert re.search(r"^ .*PathPrefix.*/\[removed\]", comment.partition("what the engine says")[2], re.MULTILINE)


def test_a_secret_of_the_stack_is_not_in_the_words_of_its_failure(repository: Project) -> None:
    broken, state = repository.folder / "Pulumi.broken.yaml", repository.folder / ".posture" / "broken"
    broken.write_text('config:\n  consul-posture:posture: the-secret\n  consul-posture:localNetwork: "127.39"\n')
    state.mkdir(parents=True)
    (state / "passphrase").write_text("the-secret\n")
    try:
        answer = repository.posture("preview", "-s", "broken", check=2)
    finally:
        broken.unlink()
        shutil.rmtree(state)
    assert "the-secret" not in answer.stdout + answer.stderr
    assert "no posture '[removed]'" in answer.stderr


def test_a_suppression_for_one_stack_is_shown_there_and_holds_nowhere_else(repository: Project) -> None:
    """Nothing changes; other and third have a prefix that is refused, which is suppressed in other."""
    folder = repository.folder
    shutil.copytree(ROOT / "policies", folder / "policies", ignore=shutil.ignore_patterns("*.pyc"))
    (folder / "policies" / "suppressions.yaml").write_text(SUPPRESSIONS)
    shipped = (folder / "stacks" / "layered-allow.yaml").read_text()
    made = [folder / "stacks" / "careless.yaml", folder / "Pulumi.other.yaml", folder / "Pulumi.third.yaml"]
    made[0].write_text(shipped.replace("pathPrefix: /ratings/", "pathPrefix: /ratings"))
    for number, file in enumerate(made[1:], 39):
        file.write_text(f'config:\n  consul-posture:posture: careless\n  consul-posture:localNetwork: "127.{number}"\n')
    for arguments in (("add", "--all"), ("commit", "--quiet", "-m", "other"), ("tag", "other")):
        subprocess.run([*GIT, *arguments], cwd=folder, check=True)
    try:
        answer = repository.posture("preview", "--base", "other", "--fail-on", "policy", check=1)
    finally:
        for file in made:
            file.unlink()
        shutil.rmtree(folder / "policies")
    found = "CP203 | service-intentions/ratings prefix /ratings also matches /ratingsX |"
    changed, _, quiet = answer.stdout.partition(NOTHING.replace("dev", "dev, other") + "\n\n")
    assert "opens nothing, ❌ 1 refused by policy" in changed
    assert f"| ❌ {found}" in changed.partition("### third")[2]
    assert "suppressed" not in changed
    assert "CP901" not in answer.stdout
    assert quiet == (
        "| suppressed | finds | because | until | on |\n"
        "| --- | --- | --- | --- | --- |\n"
        f"| {found} until it is moved | 9999-12-31 | other |\n\n"
    )


def test_a_stack_that_cannot_be_previewed_is_named_and_the_others_still_are(repository: Project) -> None:
    broken = repository.folder / "Pulumi.broken.yaml"
    broken.write_text('config:\n  consul-posture:posture: layred-allow\n  consul-posture:localNetwork: "127.39"\n')
    try:
        answer = repository.posture("preview", "--base", "base", check=2)
    finally:
        broken.unlink()
    assert "❌ no preview of broken" in answer.stdout
    assert "no posture 'layred-allow'; did you mean 'layered-allow'?" in answer.stdout
    assert NOTHING in answer.stdout
    assert "no preview of broken: no posture 'layred-allow'" in answer.stderr


def test_a_salt_that_another_clone_has_committed_is_in_nobodys_way(
    repository: Project, pulumi: Path, tmp_path: Path
) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: consul-posture\nruntime: python\n")
    theirs = {"PULUMI_BACKEND_URL": tmp_path.as_uri(), "PULUMI_CONFIG_PASSPHRASE": "theirs"}
    repository.run(
        *(str(pulumi), "stack", "init", "salted", "--cwd", str(tmp_path), "--non-interactive"), variables=theirs
    )
    salt = (tmp_path / "Pulumi.salted.yaml").read_text()
    assert salt.startswith("encryptionsalt: ")
    repository.add_stack("salted", "127.38", 9438)
    file = repository.folder / "Pulumi.salted.yaml"
    file.write_text(salt + file.read_text())
    try:
        repository.posture("preview", "-s", "salted", "--base", "base")
        assert file.read_text().startswith(salt)
    finally:
        file.unlink()
        shutil.rmtree(repository.folder / ".posture" / "salted", ignore_errors=True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--base", "nowhere"), "no revision 'nowhere' here; fetch it, or name another one with --base"),
        (("--base", "--help"), "no revision '--help' here"),
        (("--stack", "deev"), "no stack 'deev'; did you mean 'dev'?"),
        (("--out", "/nowhere/comment.md"), "can't write /nowhere/comment.md: there is no such folder"),
    ],
)
def test_bad_input_gets_one_line(repository: Project, arguments: tuple[str, ...], words: str) -> None:
    answer = repository.posture("preview", *arguments, check=2)
    assert answer.stdout == ""
    assert answer.stderr.startswith("error: ")
    assert words in answer.stderr
    assert answer.stderr.count("\n") == 1
