"""One live mesh for all tests here: `posture up` on a stack of its own, `posture down` at the end."""

from __future__ import annotations

import json
import re
import shlex
import ssl
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from rich.console import Console

from posture.local.instances import Instance, instances
from posture.local.layout import Layout
from posture.local_stack import LocalStack
from posture.model.access import Access
from posture.model.entries import Kind, compile_entries
from posture.model.settings import read_settings
from posture.verify.wire import connected
from tests.conftest import eventually

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from posture.local.probing import LocalTarget
    from posture.model.application import Application
    from posture.verify.target import Endpoint
    from tests.conftest import Project

NETWORK, GATEWAY_PORT = "127.40", 9443
BOOKKEEPING = {"Kind", "Name", "CreateIndex", "ModifyIndex", "Hash", "Status", "Partition", "Namespace"}


@dataclass(frozen=True)
class LiveStack:
    """A stack of the test project, asked as its users ask it."""

    project: Project
    name: str
    layout: Layout
    application: Application

    def instance(self, name: str) -> Instance:
        return next(each for each in instances(self.application, self.layout) if each.name == name)

    def up(self, posture: str, through: str | None = None) -> str:
        more = ["--through", through] if through else []
        return self.project.posture("up", posture, "--stack", self.name, *more).stdout

    @property
    def variables(self) -> dict[str, str]:
        """What a shell has that sourced `posture env`."""
        lines = self.project.posture("env", "--stack", self.name).stdout.splitlines()
        return dict(shlex.split(line)[1].split("=", 1) for line in lines)

    def pulumi(self, *arguments: str, check: int | None = 0) -> str:
        done = self.project.run("pulumi", *arguments, "--stack", self.name, check=check, variables=self.variables)
        return done.stdout + done.stderr if check != 0 else done.stdout

    def changes(self) -> dict[str, int]:
        """How many resources a preview would change, by what it would do to them; nothing for unchanged ones."""
        summary = json.loads(self.pulumi("preview", "--json"))["changeSummary"]
        return {kind: count for kind, count in summary.items() if kind != "same"}

    def last_update(self) -> dict[str, int]:
        """What the last `up` did, likewise."""
        history = json.loads(self.pulumi("stack", "history", "--json"))
        return {kind: count for kind, count in history[0]["resourceChanges"].items() if kind != "same"}

    def questioned(self) -> tuple[LocalTarget, Access]:
        """The mesh, to be asked, and what the model says."""
        stack = LocalStack(self.project.folder, self.name, Console(quiet=True))
        return stack.target(stack.mesh()), Access(compile_entries(*stack.load()))

    def consul(self) -> httpx.Client:
        variables = self.variables
        return httpx.Client(
            base_url=variables["CONSUL_HTTP_ADDR"], headers={"X-Consul-Token": variables["CONSUL_HTTP_TOKEN"]}
        )

    def entries(self) -> dict[str, dict[str, Any]]:
        """What Consul holds, without bookkeeping."""
        with self.consul() as consul:
            held = [entry for kind in Kind for entry in consul.get(f"/v1/config/{kind}").raise_for_status().json()]
        return {
            f"{entry['Kind']}/{entry.get('Name', 'mesh')}": {k: v for k, v in entry.items() if k not in BOOKKEEPING}
            for entry in held
        }

    def page(self, path: str = "/productpage") -> httpx.Response:
        context = ssl.create_default_context(cafile=str(self.layout.certificate))
        return httpx.get(f"https://localhost:{GATEWAY_PORT}{path}", verify=context, timeout=10)

    def pages_until(self, *sought: str, limited: bool = False, at_most: int = 60) -> str:
        """Load the page until every text has been seen on one of its versions; all that was seen, together."""
        seen = ""
        for _ in range(at_most):
            answer = self.page()
            assert answer.status_code == 200 or (limited and answer.status_code in {429, 503}), answer.text
            seen += answer.text
            if answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
                time.sleep(0.5)
            if all(re.search(text, seen) for text in sought):
                return seen
        raise AssertionError(f"not seen in {at_most} pages: {[t for t in sought if not re.search(t, seen)]}")


@contextmanager
def kept(endpoint: Endpoint, context: ssl.SSLContext) -> Iterator[socket.socket]:
    """A connection that stays open; Consul's check may have the only place for an instant."""
    with ExitStack() as held:

        def connect() -> socket.socket | None:
            with suppress(OSError):
                return held.enter_context(connected(endpoint, context, None, 5))
            return None

        found = eventually(connect)
        assert found
        yield found


@pytest.fixture(scope="session")
def live(project: Project) -> Iterator[LiveStack]:
    project.add_stack("walk", NETWORK, GATEWAY_PORT)
    layout = Layout("walk", project.folder, NETWORK, GATEWAY_PORT)
    application = read_settings(project.folder, "walk").load_application(project.folder)
    yield LiveStack(project, "walk", layout, application)
    project.posture("down", "--stack", "walk")


@pytest.fixture(scope="session")
def golden() -> Path:
    return Path(__file__).parents[1] / "golden"
