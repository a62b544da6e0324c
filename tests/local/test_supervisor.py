"""Processes that end, die or can't start, under a real supervisord."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

import psutil
import pytest

from posture.local.supervisor import Program, Supervisor
from tests.conftest import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

Say = tuple[str, ...]
SLEEP = ("sleep", "600")


@pytest.fixture
def supervise(tmp_path: Path) -> Iterator[Callable[..., Supervisor]]:
    made = []

    def make(**commands: Say) -> Supervisor:
        programs = {name: Program(command, tmp_path, {"WHO": name}) for name, command in commands.items()}
        made.append(Supervisor(tmp_path / "project" / "state", programs))
        return made[-1]

    (tmp_path / "project" / "state").mkdir(parents=True)
    yield make
    for each in made:
        each.stop()


def ended(supervisor: Supervisor, name: str) -> tuple[str | None, tuple[str, ...]]:
    statuses = eventually(lambda: [each for each in supervisor.statuses() if (each.name, each.state) == (name, "dead")])
    return statuses[0].exit, statuses[0].log


def at_least(supervisor: Supervisor, count: int) -> list[psutil.Process]:
    return eventually(lambda: found if len(found := supervisor.processes()) >= count else [])


def test_nothing_runs_before_it_is_started(supervise: Callable[..., Supervisor]) -> None:
    supervisor = supervise(a=SLEEP, b=SLEEP)
    assert supervisor.launch()
    assert supervisor.start("b") == ["b"]
    assert [(status.name, status.state) for status in supervisor.statuses()] == [("a", "stopped"), ("b", "running")]
    assert supervisor.start("b") == []


def test_a_status_needs_no_supervisor(tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path / "none", {"a": Program(SLEEP, tmp_path)})
    assert [status.state for status in supervisor.statuses()] == ["stopped"]
    supervisor.stop()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("command", "how", "said"),
    [
        ((sys.executable, "-c", "import os; print(os.environ['WHO'], 'left'); exit(3)"), "exit status 3", "a left"),
        ((sys.executable, "-c", "print('done')"), "exit status 0", "done"),
        (
            (sys.executable, "-c", f"import os; os.kill(os.getpid(), {signal.SIGKILL})"),
            "terminated by SIGKILL",
            None,
        ),
        (("no-such-program",), "exit status 1", "can't start no-such-program: No such file or directory"),
        (("echo", "; # %(x)s 'q' \"\nnext"), "exit status 0", "; # %(x)s 'q' \"\nnext"),
    ],
)
def test_a_death_is_told_with_its_cause_and_its_last_words(
    supervise: Callable[..., Supervisor], command: Say, how: str, said: str | None
) -> None:
    supervisor = supervise(a=command)
    supervisor.launch()
    supervisor.start("a")
    assert ended(supervisor, "a") == (how, tuple(said.splitlines()) if said else ())


def test_a_log_is_told_by_its_end(supervise: Callable[..., Supervisor]) -> None:
    supervisor = supervise(a=(sys.executable, "-c", "print(*range(100), sep='\\n')"))
    supervisor.launch()
    supervisor.start("a")
    assert ended(supervisor, "a")[1][-2:] == ("98", "99")


@pytest.mark.parametrize(
    ("status", "said"),
    [(2, ("fatal error: concurrent map writes", "goroutine 0 [running]:")), (1, ("goroutine 98 [select]:", "at 99"))],
)
def test_a_crash_of_a_go_program_is_told_by_its_cause(
    supervise: Callable[..., Supervisor], status: int, said: tuple[str, str]
) -> None:
    goroutines = "\n".join(f"goroutine {n} [{'select' if n else 'running'}]:\nat {n + 1}" for n in range(99))
    words = f"panic: of before\nstarted anew\nfatal error: concurrent map writes\n{goroutines}"
    supervisor = supervise(a=(sys.executable, "-c", f"print({words!r}); exit({status})"))
    supervisor.launch()
    supervisor.start("a")
    log = ended(supervisor, "a")[1]
    assert len(log) == 15
    assert (log[:2] if status == 2 else log[-2:]) == said


def test_the_dead_are_started_again_only_when_told(supervise: Callable[..., Supervisor]) -> None:
    supervisor = supervise(a=SLEEP)
    supervisor.launch()
    supervisor.start("a")
    pid = supervisor.statuses()[0].pid
    assert pid
    psutil.Process(pid).kill()
    assert ended(supervisor, "a")[0] == "terminated by SIGKILL"
    assert not supervisor.launch()
    assert supervisor.statuses()[0].state == "dead"
    assert supervisor.start("a") == ["a"]
    assert supervisor.statuses()[0].state == "running"


def test_other_programs_replace_the_supervisor(supervise: Callable[..., Supervisor]) -> None:
    old = supervise(a=SLEEP)
    old.launch()
    old.start("a")
    before = {process.pid for process in old.processes()}
    new = supervise(a=("sleep", "601"))
    assert new.launch()
    assert not before & {process.pid for process in new.processes()}


def with_one_that_ignores_sigterm(
    supervise: Callable[..., Supervisor],
) -> tuple[Supervisor, list[psutil.Process], psutil.Process]:
    """A supervisor, all its processes, and supervisord among them."""
    supervisor = supervise(a=("sh", "-c", "trap '' TERM; sleep 600 & wait; wait"))
    supervisor.launch()
    supervisor.start("a")
    processes = at_least(supervisor, 3)
    return supervisor, processes, next(each for each in processes if "supervisor" in " ".join(each.cmdline()))


def test_a_stop_ends_what_children_have_started(supervise: Callable[..., Supervisor]) -> None:
    supervisor = supervise(a=("sh", "-c", "sleep 600 & sleep 600 & wait"))
    supervisor.launch()
    supervisor.start("a")
    processes = at_least(supervisor, 4)
    supervisor.stop()
    assert [process for process in processes if process.is_running()] == []


def test_a_supervisor_that_is_about_to_end_is_waited_for(supervise: Callable[..., Supervisor]) -> None:
    supervisor, processes, supervisord = with_one_that_ignores_sigterm(supervise)
    supervisord.terminate()
    assert eventually(lambda: supervisor.statuses()[0].state == "stopped")
    assert supervisor.launch()
    assert [process for process in processes if process.is_running()] == []


def test_what_an_earlier_supervisor_does_not_have_is_taken_for_ended(supervise: Callable[..., Supervisor]) -> None:
    old = supervise(a=SLEEP)
    old.launch()
    old.start("a")
    supervise(b=SLEEP).end("b")
    assert old.statuses()[0].state == "running"


def test_programs_without_a_supervisor_are_taken_for_ended(supervise: Callable[..., Supervisor]) -> None:
    supervise(a=SLEEP).end("a")


def test_programs_of_a_supervisor_that_is_about_to_end_are_taken_for_ended(
    supervise: Callable[..., Supervisor],
) -> None:
    supervisor, processes, supervisord = with_one_that_ignores_sigterm(supervise)
    supervisord.terminate()
    assert eventually(lambda: supervisor.statuses()[0].state == "stopped")
    assert [process for process in processes if process.is_running()]
    supervisor.end("a")


def test_what_a_killed_supervisor_leaves_behind_is_ended_too(supervise: Callable[..., Supervisor]) -> None:
    supervisor, processes, supervisord = with_one_that_ignores_sigterm(supervise)
    supervisord.kill()
    supervisor.stop()
    assert [process for process in processes if process.is_running()] == []


def test_secrets_of_the_caller_are_not_handed_on(
    supervise: Callable[..., Supervisor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONSUL_HTTP_TOKEN", "secret-of-mine")
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "secret-of-mine")
    supervisor = supervise(a=SLEEP)
    supervisor.launch()
    supervisor.start("a")
    processes = at_least(supervisor, 2)  # amid its exec a process has no environment
    environments = [process.environ() for process in processes]
    assert "secret-of-mine" not in str(environments)
