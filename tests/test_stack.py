"""What a stack takes from its surroundings, and what from its backend; a script stands for the engine."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, TypeVar, cast

import pytest
from rich.console import Console

from posture import cluster_stack
from posture.cluster_stack import ClusterStack
from posture.local.errors import MeshError
from posture.local.tools.catalogue import InstalledTool, Origin
from posture.local_stack import LocalStack
from posture.program.engine import EngineError
from posture.verify.answers import Answer
from tests.conftest import ROOT, Project

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from posture.cluster.probing import ClusterTarget
    from posture.model.access import Arrival
    from posture.stack import Stack

BACKEND, FILE = "PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE_FILE"
SHARED = "s3://states"
T = TypeVar("T", LocalStack, ClusterStack)


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Stack]:
    """Opens a stack of a project in a shell that has none of Pulumi's variables; the engine is a script."""
    for name in (BACKEND, FILE, "PULUMI_CONFIG_PASSPHRASE"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "project"
    folder.mkdir()
    Project.copied(folder)
    for name in ("kind", "deny-all"):
        shutil.copy(ROOT / f"Pulumi.{name}.yaml", folder)

    def make(kind: type[T], name: str, engine: str = "exit 1") -> T:
        program = tmp_path / "bin" / "pulumi"
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\n{engine}\n")
        program.chmod(0o700)
        stack = kind(folder, name, Console(quiet=True))
        tools = {each: InstalledTool(each, "0", Origin.PATH, program) for each in ("pulumi", "consul", "envoy")}
        stack.tools = tools
        return stack

    return make


def passphrase(stack: Stack) -> str | None:
    """The file that the stack's engine is handed."""
    return stack.engine().environment.get(FILE)


@pytest.mark.parametrize(("kind", "name"), [(LocalStack, "deny-all"), (ClusterStack, "kind")])
def test_a_shell_that_has_the_variables_of_another_stack_does_not_move_a_stack(
    opened: Callable[..., Stack], monkeypatch: pytest.MonkeyPatch, kind: type[Stack], name: str
) -> None:
    own = opened(kind, name)
    alone = own.exports()
    assert alone[BACKEND] == own.layout.pulumi_state.as_uri()
    assert alone[FILE] == str(own.layout.passphrase)
    for variable, value in opened(LocalStack, "dev").exports().items():
        if variable != "PATH":
            monkeypatch.setenv(variable, value)
    assert opened(kind, name).exports() == alone
    assert passphrase(opened(kind, name)) == str(own.layout.passphrase)
    assert opened(kind, name).engine().own_backend


def test_a_shell_that_has_the_variables_of_the_stack_itself_can_begin_it_anew(
    opened: Callable[..., Stack], monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = opened(LocalStack, "dev")
    for variable, value in stack.exports().items():
        monkeypatch.setenv(variable, value)
    stack.layout.passphrase.unlink()
    assert passphrase(opened(LocalStack, "dev")) == str(stack.layout.passphrase)
    assert stack.layout.passphrase.exists()


@pytest.mark.parametrize(("kind", "name"), [(LocalStack, "dev"), (ClusterStack, "kind")])
@pytest.mark.parametrize("variable", [FILE, "PULUMI_CONFIG_PASSPHRASE"])
def test_a_passphrase_that_the_user_has_chosen_counts(
    opened: Callable[..., Stack], monkeypatch: pytest.MonkeyPatch, kind: type[Stack], name: str, variable: str
) -> None:
    monkeypatch.setenv(variable, "/of/mine")
    stack = opened(kind, name)
    assert FILE not in stack.exports()
    assert stack.engine().environment[variable] == "/of/mine"
    assert not stack.layout.passphrase.exists()


def test_a_backend_that_the_user_has_chosen_counts_for_a_cluster_and_gets_no_passphrase_of_another_stack(
    opened: Callable[..., Stack], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(BACKEND, SHARED)
    monkeypatch.setenv(FILE, opened(LocalStack, "dev").exports()[FILE])
    stack = opened(ClusterStack, "kind")
    assert stack.exports()[BACKEND] == SHARED
    assert passphrase(stack) is None
    monkeypatch.setenv(FILE, str(stack.layout.passphrase))  # from when its state was here
    assert passphrase(stack) == str(stack.layout.passphrase)


def test_what_was_applied_is_asked_of_a_shared_backend_wherever_that_was_done(
    opened: Callable[..., Stack], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(BACKEND, SHARED)
    stack = opened(ClusterStack, "kind", """echo '{"posture": "deny-all"}'""")
    assert stack.applied() == {"posture": "deny-all"}


def test_nothing_was_applied_to_a_stack_that_a_shared_backend_does_not_know(
    opened: Callable[..., Stack], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(BACKEND, SHARED)
    assert opened(ClusterStack, "kind", """echo "error: no stack named 'kind' found" >&2; exit 255""").applied() == {}


def test_a_shared_backend_that_does_not_answer_is_not_taken_for_one_that_knows_nothing(
    opened: Callable[..., Stack], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(BACKEND, SHARED)
    stack = opened(ClusterStack, "kind", "echo 'error: no credentials' >&2; exit 255")
    with pytest.raises(EngineError, match="no credentials"):
        stack.applied()


@pytest.mark.parametrize(("kind", "name"), [(LocalStack, "dev"), (ClusterStack, "kind")])
def test_to_ask_what_was_applied_makes_nothing_where_the_state_is_here(
    opened: Callable[..., Stack], kind: type[Stack], name: str
) -> None:
    stack = opened(kind, name)
    assert stack.applied() == {}
    assert not stack.layout.state.parent.exists()


@pytest.mark.parametrize("passed_on", [True, False])
def test_a_page_that_the_application_does_not_have_is_served_in_a_cluster(
    opened: Callable[..., ClusterStack], monkeypatch: pytest.MonkeyPatch, *, passed_on: bool
) -> None:
    class Gateway:
        @staticmethod
        def enter(_: Arrival) -> Answer:
            return Answer(404, "", passed_on)

    monkeypatch.setattr(cluster_stack, "_SETTLING", 0)
    stack = opened(ClusterStack, "kind")
    application, _ = stack.load()
    target = cast("ClusterTarget", Gateway())
    if passed_on:
        stack._wait_for_page(application, target)
    else:
        with pytest.raises(MeshError, match="does not serve https://localhost:8443/productpage: it answered 404"):
            stack._wait_for_page(application, target)
