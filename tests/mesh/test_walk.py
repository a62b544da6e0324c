"""The walk: posture after posture on one live mesh, by the real engine; seen by a visitor, Fortio and outsiders."""

from __future__ import annotations

import json
import re
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from posture.local.instances import SIDECAR_PORT
from posture.model.entries import compile_entries
from posture.model.posture import load_posture
from tests.goldens import golden_entries

if TYPE_CHECKING:
    from pathlib import Path

    from tests.mesh.conftest import LiveStack

pytestmark = [pytest.mark.mesh, pytest.mark.engine]

DETAILS_ERROR = r"Error fetching product details!(?s:.*)Sorry, product details are currently unavailable for this book."
REVIEWS_ERROR = r"Error fetching product reviews!(?s:.*)Sorry, product reviews are currently unavailable for this book."
RATINGS_ERROR = "Ratings service is currently unavailable"
DETAILS = "ISBN-10"
VERSIONS = ("reviews-v1", "reviews-v2", "reviews-v3")


@dataclass(frozen=True)
class Step:
    """A posture to move to, what the page then shows and hides, and the codes that Fortio gets.

    Under a limit others may be refused, or nobody else get a 200: an idle connection takes a place as well.
    """

    posture: str
    through: str | None
    shows: tuple[str, ...]
    hides: tuple[str, ...]
    fortio: set[str]
    limited: bool = False


OPEN = ((DETAILS, *VERSIONS), (DETAILS_ERROR, REVIEWS_ERROR, RATINGS_ERROR))
STEPS = [
    Step("baseline", None, *OPEN, fortio={"403"}),
    Step("deny-all", None, (DETAILS_ERROR, REVIEWS_ERROR), (DETAILS, *VERSIONS), fortio={"403"}),
    Step(
        "layered-allow",
        "reviews-viewer",
        (DETAILS, *VERSIONS, RATINGS_ERROR),
        (DETAILS_ERROR, REVIEWS_ERROR),
        fortio={"200"},
    ),
    Step("layered-allow", None, *OPEN, fortio={"200"}),
    Step("rate-limited", "one-connection", *OPEN, fortio={"503"}, limited=True),
    Step("rate-limited", None, *OPEN, fortio={"429"}, limited=True),
    Step("layered-allow", None, *OPEN, fortio={"200"}),
    Step("baseline", None, *OPEN, fortio={"403"}),
]


def test_the_walk(live: LiveStack, golden: Path) -> None:
    before: dict[str, Any] = {}
    for step in STEPS:
        said = live.up(step.posture, step.through)
        assert f"https://localhost:{live.layout.gateway_port}/productpage" in said

        compiled = _compiled(live, step)
        if before:
            changed = [key for key in compiled if compiled[key] != before[key]]
            assert live.last_update() == ({"update": len(changed)} if changed else {}), "in place, and only these"
        before = compiled
        assert _bare(live.entries()) == _bare(_golden(golden, step, live))

        seen = live.pages_until(*step.shows, limited=step.limited)
        for text in step.hides:
            assert not re.search(text, seen), f"{step.posture} shows {text}"
        assert _fortio_codes(live) - ({"200"} if step.limited else set()) == step.fortio, step.posture
        _check_from_outside(live)

        assert live.changes() == {}, "a second up would change nothing"
        live.pulumi("refresh", "--yes", "--skip-preview")
        assert live.changes() == {}, "nor after a refresh"


def _compiled(live: LiveStack, step: Step) -> dict[str, Any]:
    posture = load_posture(live.project.folder / "stacks", step.posture, live.application)
    posture = posture.through(step.through) if step.through else posture
    return {entry.label: entry.body for entry in compile_entries(live.application, posture)}


def _golden(golden: Path, step: Step, live: LiveStack) -> Any:
    name = f"{step.posture}-through-{step.through}" if step.through else step.posture
    entries = golden_entries((golden / f"{name}.json").read_text())
    entries["api-gateway/gateway"]["Listeners"][0]["Port"] = live.layout.gateway_port
    return entries


def _bare(value: Any) -> Any:
    """Without the empty values that Consul writes out or leaves out as it likes."""
    if isinstance(value, dict):
        return {key: bare for key, item in value.items() if (bare := _bare(item)) not in (None, "", 0, False, [], {})}
    return [_bare(item) for item in value] if isinstance(value, list) else value


def _fortio_codes(live: LiveStack) -> set[str]:
    """The status codes of 200 requests over two connections, with Fortio's identity, through its own sidecar."""
    done = live.project.run(
        *("fortio", "load", "-quiet", "-c", "2", "-n", "200", "-qps", "0", "-timeout", "10s", "-json", "-"),
        f"{live.instance('fortio').environment['PRODUCTPAGE_URL']}/health",
        variables=live.variables,
    )
    return set(json.loads(done.stdout)["RetCodes"])


def _check_from_outside(live: LiveStack) -> None:
    """Without a certificate of the mesh a sidecar says nothing, and the gateway knows its own routes only."""
    with socket.create_connection((live.instance("details-v1").address, SIDECAR_PORT), timeout=5) as connection:
        connection.sendall(b"GET /details/0 HTTP/1.1\r\nHost: details\r\n\r\n")
        assert not connection.recv(1024).startswith(b"HTTP"), "a sidecar answered in plain text"
    assert live.page("/details/0").status_code == 404
