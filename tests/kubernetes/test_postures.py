"""Every posture on a real API server: what is created, switched and destroyed, and what each moment of it allows."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from posture.model.access import Access
from posture.model.entries import compile_entries
from posture.model.manifests.inventory import inventory
from posture.model.matrix import matrix
from posture.model.posture import available
from posture.model.settings import read_settings
from tests.kubernetes.stacks import entry_written

if TYPE_CHECKING:
    from collections.abc import Iterable

    from posture.model.application import Application
    from posture.model.entries import Entry
    from tests.kubernetes.stacks import ClusterStack

pytestmark = [pytest.mark.kubernetes, pytest.mark.engine]

ROOT = Path(__file__).parents[2]
POSTURES = available(ROOT / "stacks")
# Each ordered pair of the three once, each beginning where the one before has ended.
ROUND = ("deny-all", "layered-allow", "deny-all", "rate-limited", "layered-allow", "rate-limited", "deny-all")
OWN = "app.kubernetes.io/instance"


@pytest.fixture(scope="module")
def stack(cluster_stack: ClusterStack) -> ClusterStack:
    cluster_stack.configure()
    cluster_stack.posture("up", "baseline")
    return cluster_stack


def is_within(wanted: Any, found: Any) -> bool:
    """Whether an object has all that was asked for, beside what the API server has added."""
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(is_within(value, found.get(key)) for key, value in wanted.items())
    if isinstance(wanted, list):
        return isinstance(found, list) and len(wanted) == len(found) and all(map(is_within, wanted, found))
    return bool(wanted == found)


def by_name(entries: Iterable[Entry]) -> dict[tuple[str, str], Entry]:
    return {(entry.kind, entry.name): entry for entry in entries}


def decisions(application: Application, entries: dict[tuple[str, str], Entry]) -> dict[tuple[str, ...], bool]:
    found = matrix(Access(entries.values()), application, "any")
    return {(cell.source, cell.destination, cell.method, cell.path): cell.allowed for cell in found.cells()}


@pytest.mark.parametrize("posture", POSTURES)
def test_a_posture_is_put_there_as_it_is_written_and_a_second_up_changes_nothing(
    stack: ClusterStack, posture: str
) -> None:
    stack.posture("up", posture)
    settings = read_settings(stack.project.folder, stack.name)
    wanted = list(inventory(*settings.load(stack.project.folder), settings, stack.name))
    for each in wanted:
        metadata = each["metadata"]
        namespace = ["--namespace", metadata["namespace"]] if "namespace" in metadata else []
        kind = f"{each['kind']}.{each['apiVersion'].rpartition('/')[0]}".rstrip(".")
        found = yaml.safe_load(stack.control_plane.kubectl("get", kind, metadata["name"], *namespace, "-o", "yaml"))
        assert is_within(each["metadata"], found["metadata"]), each
        assert is_within(each.get("spec", {}), found.get("spec", {})), (each, found)
    assert len(wanted) > 30
    assert stack.changes() == {}


def test_another_line_of_the_chart_changes_the_way_in_where_it_stands(stack: ClusterStack) -> None:
    for version in ("1.9.7", "2.0.3"):
        since = stack.audited()
        stack.configure(consulChartVersion=version)
        stack.posture("up", "baseline")
        assert {each.verb for each in stack.writes(since)} <= {"patch"}
        assert stack.changes() == {}


@pytest.mark.parametrize("posture", POSTURES)
def test_the_golden_objects_pass_kubectls_strict_validation(stack: ClusterStack, posture: str) -> None:
    text = (ROOT / "tests" / "golden" / "kubernetes" / f"{posture}.yaml").read_text()
    # The golden stack is another one, and objects of two stacks can't be applied by one manager.
    said = stack.control_plane.kubectl(
        *("apply", "--dry-run=server", "--validate=strict", "--filename=-"), given=text.replace("page-tls", "other-tls")
    )
    assert said.count("(server dry run)") == len(list(yaml.safe_load_all(text)))


@pytest.mark.parametrize(("old", "new"), list(itertools.pairwise(ROUND)))
def test_a_switch_edits_in_place_and_no_moment_of_it_allows_what_neither_end_does(
    stack: ClusterStack, old: str, new: str
) -> None:
    stack.move(old)
    application, before = stack.load()
    since = stack.audited()
    stack.move(new)
    _, after = stack.load()

    assert stack.last_update().keys() == {"update"}
    writes = list(stack.writes(since))
    assert {write.verb for write in writes} == {"patch"}

    entries = by_name(compile_entries(application, before))
    begun = decisions(application, entries)
    ended = decisions(application, by_name(compile_entries(application, after)))
    for write in writes:
        entry = entry_written(write)
        assert entry is not None, write
        entries[entry.kind, entry.name] = entry
        now = decisions(application, entries)
        assert not [cell for cell, allowed in now.items() if allowed and not (begun[cell] or ended[cell])]
        assert not [cell for cell, allowed in now.items() if not allowed and begun[cell] and ended[cell]]
    assert decisions(application, entries) == ended
    assert len(writes) == stack.last_update()["update"]


def test_the_gateways_floor_rises_before_calls_open_and_falls_after_they_have_closed(stack: ClusterStack) -> None:
    calls = [("gateway", "productpage"), ("productpage", "details")]
    grants = [{"name": to, "from": source, "to": to} for source, to in calls]
    strict = {"description": "made", "grants": grants, "mesh": {"tlsMinVersion": "TLSv1_3"}}
    (stack.project.folder / "stacks" / "strict-page.yaml").write_text(json.dumps(strict))
    stack.move("deny-all")
    for posture, place in (("strict-page", 0), ("deny-all", -1)):
        since = stack.audited()
        stack.move(posture)
        assert stack.last_update() == {"update": 3}
        written = [write.resource for write in stack.writes(since)]
        assert written[place] == "gateways"
        assert set(written) == {"gateways", "meshes", "serviceintentions"}


def test_a_refresh_finds_nothing(stack: ClusterStack) -> None:
    stack.pulumi("refresh", "--yes", "--skip-preview")
    assert stack.last_update() == {}
    assert stack.changes() == {}


def test_an_object_edited_behind_our_back_is_shown_and_mended(stack: ClusterStack) -> None:
    stack.posture("up", "layered-allow")
    widen = '[{"op": "replace", "path": "/spec/sources", "value": [{"name": "*", "action": "allow"}]}]'
    stack.control_plane.kubectl(
        *("patch", "serviceintentions", "ratings", "--namespace=bookinfo", "--type=json", f"--patch={widen}")
    )
    stack.pulumi("refresh", "--yes", "--skip-preview")
    assert stack.changes() == {"update": 1}
    stack.posture("up")
    found = stack.control_plane.kubectl("get", "serviceintentions", "ratings", "--namespace=bookinfo", "-o", "yaml")
    assert [source["name"] for source in yaml.safe_load(found)["spec"]["sources"]] == ["reviews", "*"]


def test_what_somebody_has_added_is_not_seen_and_is_taken_away_by_kubectl_replace(stack: ClusterStack) -> None:
    kubectl, own = stack.control_plane.kubectl, "--namespace=bookinfo"

    def specs() -> list[Any]:
        names = ("serviceintentions/ratings", "servicedefaults/ratings")
        return [yaml.safe_load(kubectl("get", name, own, "-o", "yaml"))["spec"] for name in names]

    stack.posture("up", "layered-allow")
    before = specs()
    source = '[{"op": "add", "path": "/spec/sources/-", "value": {"name": "fortio", "action": "allow"}}]'
    kubectl("patch", "serviceintentions", "ratings", own, "--type=json", f"--patch={source}")
    mode = '{"spec": {"mutualTLSMode": "permissive"}}'
    kubectl("patch", "servicedefaults", "ratings", own, "--type=merge", f"--patch={mode}")
    assert [old != new for old, new in zip(before, specs(), strict=True)] == [True, True]
    stack.pulumi("refresh", "--yes", "--skip-preview")
    assert stack.changes() == {}, "as Pulumi's own provider has it"
    kubectl("replace", "--filename=-", given=stack.posture("manifests").stdout)
    assert specs() == before
    stack.pulumi("refresh", "--yes", "--skip-preview")
    stack.posture("up")
    assert stack.changes() == {}
    assert specs() == before


def test_a_status_names_a_deployment_that_somebody_has_deleted(stack: ClusterStack) -> None:
    def states() -> set[tuple[str, str]]:
        said = json.loads(stack.posture("status", "--json", check=None).stdout)
        assert said["healthy"] == all(each["state"] == "running" for each in said["processes"])
        return {(each["name"], each["exit"] or each["state"]) for each in said["processes"]}

    before = states()
    assert ("ratings-v1", "running") in before
    stack.control_plane.kubectl("delete", "deployment", "ratings-v1", "--namespace=bookinfo")
    assert states() == before - {("ratings-v1", "running")} | {("ratings-v1", "is not there")}
    stack.posture("status", check=1)
    stack.pulumi("refresh", "--yes", "--skip-preview")
    stack.posture("up")
    stack.posture("status")


def test_status_tells_what_runs(stack: ClusterStack) -> None:
    said = stack.posture("status").stdout
    assert "stack prod: layered-allow" in said
    assert "reviews-v3" in said


def test_down_deletes_everything_in_order(stack: ClusterStack) -> None:
    since = stack.audited()
    stack.posture("down")
    deleted = [write for write in stack.writes(since) if write.verb == "delete"]
    order = [write.resource for write in deleted]
    assert order[0] == "httproutes"
    assert order[-1] == "namespaces"
    assert order.index("gateways") < order.index("deployments")
    last_pod, first_rule = max(_places(order, "deployments")), min(_places(order, "serviceintentions"))
    assert last_pod < first_rule
    assert max(_places(order, "serviceintentions")) < min(_places(order, "servicedefaults"))
    kinds = "namespaces,deployments,services,serviceaccounts,gateways,httproutes,referencegrants"
    consul = "serviceintentions,servicedefaults,proxydefaults,meshes"
    left = stack.control_plane.kubectl(
        "get", f"{kinds},{consul}", "--all-namespaces", "--selector", f"{OWN}={stack.name}", "-o", "name"
    )
    assert left == ""
    assert not (stack.project.folder / ".posture" / stack.name).exists()


def _places(order: list[str], resource: str) -> list[int]:
    return [place for place, name in enumerate(order) if name == resource]
