"""Which applications a target takes."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from posture.commands.resources import of_files, open_pack
from posture.errors import InputError
from posture.local.layout import Layout
from posture.model.application import CERTIFICATE, PRIVATE_KEY
from posture.model.settings import settings_from
from posture.review import Base, _of_base
from tests.conftest import ROOT

if TYPE_CHECKING:
    from pathlib import Path

CLUSTER = {"target": "kubernetes", "kubeContext": "somewhere", "gatewaySecret": "page-tls"}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project whose only application is bookinfo."""
    shutil.copy(ROOT / "Pulumi.yaml", tmp_path)
    shutil.copytree(ROOT / "stacks", tmp_path / "stacks")
    (tmp_path / "apps").mkdir()
    (tmp_path / "apps" / "bookinfo.yaml").write_text((ROOT / "apps" / "bookinfo.yaml").read_text())
    return tmp_path


def name_in_application(project: Path, key: str, value: str) -> int:
    """Write a key of the gateway's; the line on which it then is."""
    file = project / "apps" / "bookinfo.yaml"
    lines = file.read_text().splitlines()
    at = lines.index("gateway:") + 1
    lines.insert(at, f"  {key}: {value}")
    file.write_text("\n".join(lines))
    return at + 1


@pytest.mark.parametrize("key", ["certificate", "privateKey"])
@pytest.mark.parametrize("value", ["/etc/ssl/page.pem", "../page.pem", "gateway/other.pem"])
def test_the_local_target_refuses_files_that_it_would_write_over(project: Path, key: str, value: str) -> None:
    line = name_in_application(project, key, value)
    with pytest.raises(InputError) as raised:
        settings_from("dev", {}).load(project)
    where, _, words = str(raised.value).partition(" ")
    assert where == f"{project / 'apps' / 'bookinfo.yaml'}:{line}:"
    assert words.startswith(f"'{key}' is '{value}', but the local target makes its own, 'gateway/")
    assert words.endswith("; remove the key")


def test_the_paths_of_a_local_stack_are_those_that_an_application_may_name(project: Path) -> None:
    name_in_application(project, "certificate", CERTIFICATE)
    name_in_application(project, "privateKey", PRIVATE_KEY)
    application, _ = settings_from("dev", {}).load(project)
    layout = Layout("dev", project)
    assert layout.state / application.gateway.certificate == layout.certificate
    assert layout.state / application.gateway.private_key == layout.private_key


def test_a_cluster_takes_any_paths_for_its_certificate_is_elsewhere(project: Path) -> None:
    name_in_application(project, "certificate", "/etc/ssl/page.pem")
    application, _ = settings_from("prod", CLUSTER).load(project)
    assert application.gateway.certificate == "/etc/ssl/page.pem"


@pytest.mark.parametrize("settings", [{}, CLUSTER, {**CLUSTER, "consulChart": "not/checked/out"}])
def test_a_base_is_read_whatever_its_target_would_need(project: Path, settings: dict[str, str]) -> None:
    name_in_application(project, "certificate", "/etc/ssl/page.pem")
    lines = "\n".join(f"  consul-posture:{key}: {value}" for key, value in settings.items()) or "  {}"
    (project / "Pulumi.some.yaml").write_text(f"config:\n{lines}\n")
    name, entries = _of_base(Base("main", project), "some")
    assert name == "layered-allow"
    assert entries


@pytest.mark.parametrize("application", [None, "bookinfo"])
def test_a_posture_is_judged_by_itself_whatever_its_application_is_for(
    project: Path, monkeypatch: pytest.MonkeyPatch, application: str | None
) -> None:
    name_in_application(project, "certificate", "/etc/ssl/page.pem")
    monkeypatch.chdir(project)
    entry = project / "entry.yaml"
    entry.write_text("Kind: service-intentions\nName: ratings\nSources: [{Name: reviews, Action: allow}]\n")
    files = [project / "stacks" / "layered-allow.yaml", entry]
    assert of_files(files, application, open_pack(None, None)).resources > 1


@pytest.mark.parametrize(("port", "page"), [(443, "https://shop.test/productpage"), (8443, "https://shop.test:8443/")])
def test_a_page_is_written_with_the_port_that_a_browser_needs(project: Path, port: int, page: str) -> None:
    given = {"gatewayPort": str(port), "gatewayHostname": "shop.test"}
    assert settings_from("dev", given).load_application(project).gateway.page.startswith(page)
