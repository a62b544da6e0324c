"""`posture verify` on a live mesh: green under every posture, red when something was changed behind our back."""

from __future__ import annotations

import json
import stat
import tarfile
import xml.etree.ElementTree as ET
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from posture.local.envoy import admin
from posture.local.tokens import load_secrets
from posture.model.access import Request
from posture.model.matrix import UNKNOWN
from tests.conftest import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from subprocess import CompletedProcess

    from tests.conftest import Project
    from tests.mesh.conftest import LiveStack

pytestmark = [pytest.mark.mesh, pytest.mark.engine]

GRANTS = ("visitors", "load-generator", "details-viewer", "reviews-viewer", "ratings-viewer")
STEPS = [
    ("baseline", None),
    ("deny-all", None),
    *(("layered-allow", grant) for grant in GRANTS),
    ("rate-limited", "one-connection"),
]
CALLS = 96
"""Of bookinfo: 16 requests, each by all of the 7 callers but the service itself."""

CALLED_BEHIND_OUR_BACK = Request("fortio", "details", path="/details/0")
BEHIND_OUR_BACK = "/v1/connect/intentions/exact?source=fortio&destination=details"


def verify(live: LiveStack, *arguments: str, check: int = 0) -> CompletedProcess[str]:
    return live.project.posture("verify", "--stack", live.name, *arguments, check=check)


def result(live: LiveStack, check: int = 0) -> dict[str, Any]:
    content = json.loads(verify(live, "--json", "-", check=check).stdout)
    assert isinstance(content, dict)
    return content


@contextmanager
def intention(live: LiveStack) -> Iterator[None]:
    """Somebody lets Fortio call details, past Pulumi."""
    with live.consul() as consul:
        consul.put(BEHIND_OUR_BACK, json={"Action": "allow"}).raise_for_status()
        try:
            eventually(lambda: all(answer.passed_on for answer in live.questioned()[0].ask(CALLED_BEHIND_OUR_BACK)))
            yield
        finally:
            consul.delete(BEHIND_OUR_BACK).raise_for_status()


@pytest.mark.parametrize(("posture", "through"), STEPS, ids=[f"{name}-{grant or 'whole'}" for name, grant in STEPS])
def test_verify_is_green_under(live: LiveStack, posture: str, through: str | None) -> None:
    live.up(posture, through)
    found = result(live)
    assert found["holds"]
    assert found["posture"] == (f"{posture} through {through}" if through else posture)
    assert [cell["outcome"] for cell in found["cells"]] == ["holds"] * CALLS
    assert {cell["source"] for cell in found["cells"]} == {*live.application.sources, UNKNOWN}
    assert not [finding for finding in found["findings"] if finding["outcome"] == "fails"]
    assert {finding["section"] for finding in found["findings"]} >= {"drift", "mtls", "bypass", "outside"}


def test_verify_makes_room_where_the_gateway_holds_the_only_connection(live: LiveStack) -> None:
    live.up("rate-limited", "one-connection")
    assert live.page().status_code == 200, "the gateway keeps its connection"
    assert {cell["outcome"] for cell in result(live)["cells"]} == {"holds"}


def test_an_intention_added_behind_our_back_is_red_until_it_is_gone(live: LiveStack, tmp_path: Path) -> None:
    live.up("layered-allow")
    files = {form: tmp_path / f"result.{form}" for form in ("json", "junit", "html")}
    arguments = [part for form, file in files.items() for part in (f"--{form}", str(file))]
    with intention(live):
        done = verify(live, *arguments, check=1)

    assert "layered-allow on walk does not hold: 93 of 96 calls agree" in done.stdout
    assert "fortio → details GET /details/0" in done.stdout
    assert "service-intentions/details" in done.stdout
    assert "who made it so can't be known" in done.stdout
    assert "opens fortio → details (GET /details/0" in done.stdout
    wrong = [cell for cell in json.loads(files["json"].read_text())["cells"] if cell["outcome"] == "fails"]
    assert {(cell["source"], cell["destination"]) for cell in wrong} == {("fortio", "details")}
    assert {cell["allowed"] for cell in wrong} == {False}
    junit = ET.fromstring(files["junit"].read_text())  # noqa: S314 - our own text
    calls = next(suite for suite in junit if suite.get("name") == "calls")
    assert (calls.get("tests"), calls.get("failures")) == (str(CALLS), "3")
    assert "fortio" in files["html"].read_text()
    _check_bundle(live, Path(done.stderr.splitlines()[-1].rpartition(": ")[2]))

    assert result(live)["holds"]


def _check_bundle(live: LiveStack, file: Path) -> None:
    assert file.parent == live.layout.state
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with tarfile.open(file) as archive:
        parts = {
            member.name.partition("/")[2]: content.read().decode()
            for member in archive
            if (content := archive.extractfile(member))
        }
    envoys = {"details-v1", "fortio", "gateway", "productpage-v1", "ratings-v1", *(f"reviews-v{i}" for i in (1, 2, 3))}
    assert parts.keys() >= {f"envoy/{name}.json" for name in envoys}
    assert parts.keys() >= {"verification.json", "entries-held.json", "entries-compiled.json", "log/consul.log"}
    assert "type.googleapis.com/envoy.admin.v3.ListenersConfigDump" in parts["envoy/details-v1.json"]
    assert '"fortio"' in parts["entries-held.json"]

    kept = load_secrets(live.layout.secrets)
    assert kept is not None
    secrets = {kept.management, kept.agent, kept.operator, *kept.services.values(), live.layout.passphrase.read_text()}
    for name, text in parts.items():
        for secret in (*secrets, "PRIVATE KEY", "BEGIN CERTIFICATE"):
            assert secret not in text, name


def test_the_dumps_hold_secrets_before_they_are_cleaned(live: LiveStack) -> None:
    """So that their absence above means something."""
    live.up("layered-allow")
    kept = load_secrets(live.layout.secrets)
    dump = admin(live.layout, "details-v1", "/config_dump")
    assert kept is not None
    assert dump is not None
    assert kept.services["details"] in dump.text
    assert "BEGIN CERTIFICATE" in dump.text


def test_another_posture_is_named_and_nothing_is_tried(live: LiveStack) -> None:
    live.up("layered-allow", "details-viewer")
    done = verify(live, "baseline", check=2)
    [line] = done.stderr.splitlines()
    assert line.startswith(
        "error: the mesh of stack 'walk' is under layered-allow through details-viewer, not baseline; move it with: "
    )
    assert done.stdout == ""


def test_a_caller_without_an_identity_gets_one_line(live: LiveStack) -> None:
    live.up("layered-allow")
    file = live.project.folder / "apps" / "bookinfo.yaml"
    text = file.read_text()
    file.write_text(text.replace("clients:\n", "clients:\n  newcomer:\n    calls: [{to: details, path: /details/0}]\n"))
    try:
        done = verify(live, check=2)
    finally:
        file.write_text(text)
    [line] = done.stderr.splitlines()
    assert line.startswith("error: no certificate for 'newcomer': ")
    assert line.endswith("posture up --stack walk")


BAD = {
    "a mesh that isn't running": ((), "stack 'dev' isn't running; start it with: posture up --stack dev"),
    "an unknown posture": (("deny-al",), "no posture 'deny-al'; did you mean 'deny-all'?"),
    "two results for one place": (("--json", "-", "--junit", "-"), "only one result can go to the standard output"),
    "a folder that isn't there": (("--html", "nowhere/page.html"), "can't write nowhere/page.html"),
}


@pytest.mark.parametrize(("arguments", "words"), BAD.values(), ids=BAD.keys())
def test_verify_refuses_in_one_line(project: Project, arguments: tuple[str, ...], words: str) -> None:
    done = project.posture("verify", *arguments, check=2)
    [line] = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert words in line
